"""Stage `report`: all models' results → reports/."""

from pathlib import Path

import click
from rich import box
from rich.table import Table

from microfacial import files
from microfacial.datasets import ClipsConfig
from microfacial.evaluation import result_files as outcomes
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.pipeline.project import PARAMS, Project
from microfacial.preprocessing.store import read_features
from microfacial.records import Comparison, Evaluation, Predictions
from microfacial.report.dvc_plots import write_plots
from microfacial.report.page import Content, render
from microfacial.report.results import BASELINE, ReportConfig, Result, best_simple, rank, summarise
from microfacial.report.tables import read_ablation, read_pins
from microfacial.settings import read_section, read_sections

PINS = Path("constraints.txt")  # what is pinned is the same on every machine; what is installed may not be


def run_report(project: Project) -> None:
    """Write metrics.json and one page on all models that params.yaml lists."""
    folder, config = project.results, read_section(PARAMS, "report", ReportConfig)
    store, clips = read_features(folder)
    results = read_results(folder)
    content = Content(
        dataset=project.clips.name,
        clips=clips,
        store=store,
        results=results,
        settings={
            "clips": read_section(PARAMS, "clips", ClipsConfig).model_dump(mode="json"),
            "train": read_section(PARAMS, "train", TrainConfig).model_dump(mode="json"),
        },
        versions=read_pins(PINS),
        ablation=read_ablation(folder / "ablation", config.ablation) if config.ablation else None,
        config=config,
    )
    files.write_text(folder / "reports" / "index.html", render(content))
    write_plots(folder / "reports" / "plots", results)
    files.write_json(folder / "reports" / "metrics.json", summarise(results))
    click.echo(f"report: {folder / 'reports' / 'index.html'}")


def read_results(folder: Path) -> list[Result]:
    """What is known of every model that params.yaml lists, each compared with the simple models among them."""
    models, train = list(read_sections(PARAMS)["models"]), read_section(PARAMS, "train", TrainConfig)
    folders = [folder / "train" / model for model in models]
    evaluations = [outcomes.read_evaluation(folder) for folder in folders]
    predictions = {folder.name: outcomes.read_predictions(folder) for folder in folders}
    best = best_simple(evaluations)
    return [
        _read_result(folder, found, predictions, train, best)
        for folder, found in zip(folders, evaluations, strict=True)
    ]


def _read_result(
    folder: Path, found: Evaluation, predictions: dict[str, Predictions], train: TrainConfig, best: str | None
) -> Result:
    own = predictions[folder.name]
    against_best = _compare(own, predictions.get(best or ""), train)
    claimed = folder / "oracle.json"  # only where train.oracle is set, and the model has epochs
    return Result(
        evaluation=found,
        predictions=own,
        curves=outcomes.read_curves(folder),
        importances=outcomes.read_importances(folder),
        settings=files.read_json(folder / "settings.json"),
        against_best=against_best,
        against_reference=(against_best if best == BASELINE else _compare(own, predictions.get(BASELINE), train)),
        oracle=files.read_json(claimed)["oracle_uf1"] if claimed.exists() else None,
    )


def _compare(own: Predictions, baseline: Predictions | None, train: TrainConfig) -> Comparison | None:
    if baseline is None or own is baseline:
        return None
    return compare_predictions(own, baseline, train.bootstrap_draws, train.seed)


def leaderboard(project: Project) -> Table:
    """What `report` found, best first, with the seconds this machine took; it fits 80 columns."""
    results = rank(read_results(project.results))  # unrounded, so that the page says the same
    shared = results[0].evaluation
    several = shared.repeats > 1
    captions = {
        shared.note: bool(shared.note),
        f"±: standard deviation over {shared.repeats} repetitions": several,
        f"Δ: UF1 minus {BASELINE}'s; * told from zero (paired, 95 %)": any(
            result.against_reference for result in results
        ),
    }
    table = Table(
        title=f"{project.clips.name} · {project.clips.scheme} · {shared.protocol}",
        caption="\n".join(caption for caption, holds in captions.items() if holds) or None,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("model")
    for column in ("UF1", *(["±"] if several else []), "95 %", "UAR", "95 %", "Δ", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_leaderboard_row(result, project.state / "seconds"))
    return table


def _leaderboard_row(result: Result, seconds: Path) -> list[str]:
    found = result.evaluation
    spent = seconds / f"{found.model}.json"
    return [
        found.model,
        f"{found.overall.uf1:.3f}",
        *([_short(found.uf1_sd)] if found.repeats > 1 else []),
        "–".join(map(_short, found.uf1_interval)),
        f"{found.overall.uar:.3f}",
        "–".join(map(_short, found.uar_interval)),
        _difference(result),
        f"{files.read_json(spent):.0f}" if spent.exists() else "–",
    ]


def _short(share: float) -> str:
    """.624 for 0.624."""
    return f"{share:.3f}".removeprefix("0")


def _difference(result: Result) -> str:
    found = result.against_reference
    if found is None:
        return "– "
    return f"{found.uf1_difference:+.3f}{'*' if found.tells_apart else ' '}"
