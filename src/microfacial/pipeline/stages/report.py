"""The stage `report`: read the results of all models and write the folder `reports/`."""

from pathlib import Path

import click
from rich.table import Table

from microfacial import files
from microfacial.datasets import ClipsConfig
from microfacial.datasets.clip_table import digest_data, read_clips
from microfacial.errors import ConfigError, DamagedError
from microfacial.evaluation import result_files
from microfacial.evaluation.oracle import read_oracle_uf1
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.evaluation.unit_files import read_units
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.result_versions import read_result_versions
from microfacial.preprocessing.store import read_features
from microfacial.records import UnitEvaluation
from microfacial.report.dvc_plots import write_plots
from microfacial.report.leaderboard import draw_leaderboard
from microfacial.report.page import PageContent, render_page
from microfacial.report.results import ModelResult, ReportConfig, add_comparisons
from microfacial.report.summary import list_metrics, summarise
from microfacial.report.tables import read_ablation
from microfacial.report.unit_results import (
    UnitPageContent,
    draw_unit_leaderboard,
    list_unit_metrics,
    render_unit_page,
    summarise_units,
)
from microfacial.settings import read_section, read_sections


def run_report(project: Project) -> None:
    """Write index.html, plots/, metrics.json and scores.json about all models that params.yaml lists.

    Args:
        project: The data set.

    Raises:
        StorageError: A file of an earlier stage is missing or damaged.
        ConfigError: A section of params.yaml is wrong.
    """
    folder, config = project.results, read_section(PARAMS, "report", ReportConfig)
    train = read_section(PARAMS, "train", TrainConfig)
    if train.task == "units":
        _report_units(project, train)
        return
    store, clips = read_features(folder)
    results = read_results(folder)
    content = PageContent(
        dataset=project.clips.name,
        clips=clips,
        store=store,
        results=results,
        data_digest=digest_data(clips),
        settings={
            "clips": read_section(PARAMS, "clips", ClipsConfig).model_dump(mode="json"),
            "train": train.model_dump(mode="json"),
        },
        versions=read_result_versions(),
        ablation=read_ablation(folder / "ablation", config.ablation) if config.ablation else None,
        config=config,
    )
    files.write_text(folder / "reports" / "index.html", render_page(content))
    write_plots(folder / "reports" / "plots", results)
    files.write_json(folder / "reports" / "metrics.json", list_metrics(results))
    files.write_json(folder / "reports" / "scores.json", summarise(results))
    click.echo(f"report: {folder / 'reports' / 'index.html'}")


def _report_units(project: Project, train: TrainConfig) -> None:
    """Write the report of the task `units`. It has no tables for `dvc plots`, so the folder plots/ is empty."""
    reports, evaluations = project.results / "reports", read_unit_results(project.results)
    content = UnitPageContent(
        dataset=project.clips.name,
        evaluations=evaluations,
        data_digest=digest_data(read_clips(project.results / "clips.csv")),
        settings={"clips": project.clips.model_dump(mode="json"), "train": train.model_dump(mode="json")},
        versions=read_result_versions(),
    )
    files.write_text(reports / "index.html", render_unit_page(content))
    with files.atomic_write(reports / "plots") as fresh:
        fresh.mkdir()
    files.write_json(reports / "metrics.json", list_unit_metrics(evaluations))
    files.write_json(reports / "scores.json", summarise_units(evaluations))
    click.echo(f"report: {reports / 'index.html'}")


def read_unit_results(folder: Path) -> list[UnitEvaluation]:
    """Read the scores of the task `units` of every model that params.yaml lists.

    Args:
        folder: Results of the data set, `Project.results`.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `models` of params.yaml is wrong.
    """
    return [read_units(folder / "train" / model, model=model) for model in _list_models()]


def _list_models() -> list[str]:
    models = read_sections(PARAMS).get("models")
    if not isinstance(models, dict):
        raise ConfigError(f"{PARAMS}: models must map names of models to their settings")
    return list(models)


def read_results(folder: Path) -> list[ModelResult]:
    """Read the results of every model that params.yaml lists, and compare each with the simple models among them.

    Args:
        folder: Results of the data set, `Project.results`.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `train` or `models` of params.yaml is wrong.
    """
    train = read_section(PARAMS, "train", TrainConfig)
    results = [_read_result(folder / "train" / model) for model in _list_models()]
    return add_comparisons(
        results, lambda model, baseline: compare_predictions(model, baseline, train.bootstrap_draws, train.seed)
    )


def _read_result(folder: Path) -> ModelResult:
    oracle = folder / "oracle.json"  # exists if train.oracle is set and the model has epochs
    return ModelResult(
        evaluation=result_files.read_evaluation(folder, model=folder.name),
        predictions=result_files.read_predictions(folder, model=folder.name),
        curves=result_files.read_curves(folder),
        importances=result_files.read_importances(folder),
        settings=result_files.read_trained_settings(folder, folder.name),
        oracle=read_oracle_uf1(oracle) if oracle.exists() else None,
    )


def read_leaderboard(project: Project) -> Table:
    """Return the leaderboard of all models that params.yaml lists, with their training times on this machine.

    Args:
        project: The data set.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `train` of params.yaml is wrong.
    """
    paths = {model: project.state / "seconds" / f"{model}.json" for model in _list_models()}
    seconds = {model: _read_seconds(path) for model, path in paths.items() if path.exists()}
    if read_section(PARAMS, "train", TrainConfig).task == "units":
        return draw_unit_leaderboard(project.clips.name, read_unit_results(project.results), seconds)
    results = read_results(project.results)
    return draw_leaderboard(project.clips.name, project.clips.scheme, results, seconds)


def _read_seconds(path: Path) -> float:
    """Return the duration of a training on this machine."""
    remedy = f"Delete it; without it, {path.stem} has no time in the leaderboard"
    seconds = files.read_json(path, float, remedy)
    with files.refuse_damaged(path, remedy):
        if seconds < 0:
            raise DamagedError(f"{seconds} seconds")
    return seconds
