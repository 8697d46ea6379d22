"""Stage `report`: all models' results → reports/."""

from pathlib import Path

import click
from rich import box
from rich.table import Table

from microfacial import outcomes, report, storage
from microfacial.protocols import TrainConfig
from microfacial.records import Predictions
from microfacial.report import BASELINE, ReportConfig, Result
from microfacial.settings import read_section, read_sections
from microfacial.stages.project import PARAMS, Project
from microfacial.statistics import compare


def run(project: Project) -> None:
    """Write metrics.json and one page on all models that params.yaml lists."""
    build, config = project.build, read_section(PARAMS, "report", ReportConfig)
    clips = storage.read_clips(build / "clips.csv")
    results = read_results(build)
    page = report.render(project.clips.name, project.clips.scheme, clips, results, config)
    storage.write_text(build / "reports" / "index.html", page)
    storage.write_json(build / "reports" / "metrics.json", report.summarise(results))
    click.echo(f"report: {build / 'reports' / 'index.html'}")


def read_results(build: Path) -> list[Result]:
    """What is known of every model that params.yaml lists, each compared with the baseline if that is among them."""
    models, train = list(read_sections(PARAMS)["models"]), read_section(PARAMS, "train", TrainConfig)
    predictions = {model: outcomes.read_predictions(build / "train" / model) for model in models}
    return [_read_result(build / "train" / model, predictions, train) for model in models]


def _read_result(folder: Path, predictions: dict[str, Predictions], train: TrainConfig) -> Result:
    own, baseline = predictions[folder.name], predictions.get(BASELINE)
    found = None
    if baseline is not None and own is not baseline:
        found = compare(own, baseline, train.bootstrap_draws, train.seed)
    claimed = folder / "oracle.json"  # only where train.oracle is set, and the model has epochs
    return Result(
        evaluation=outcomes.read_evaluation(folder),
        predictions=own,
        against_baseline=found,
        oracle=storage.read_json(claimed)["oracle_uf1"] if claimed.exists() else None,
    )


def leaderboard(project: Project) -> Table:
    """What `report` found, best first, with the seconds this machine took; it fits 80 columns."""
    results = report.rank(read_results(project.build))  # unrounded, so that the page says the same
    shared = results[0].evaluation
    several = shared.repeats > 1
    captions = {
        shared.note: bool(shared.note),
        f"±: standard deviation over {shared.repeats} repetitions": several,
        f"Δ: UF1 minus {BASELINE}'s; * told from zero (paired, 95 %)": any(
            result.against_baseline for result in results
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
        f"{storage.read_json(spent):.0f}" if spent.exists() else "–",
    ]


def _short(share: float) -> str:
    """.624 for 0.624."""
    return f"{share:.3f}".removeprefix("0")


def _difference(result: Result) -> str:
    found = result.against_baseline
    if found is None:
        return "– "
    return f"{found.uf1_difference:+.3f}{'*' if found.tells_apart else ' '}"
