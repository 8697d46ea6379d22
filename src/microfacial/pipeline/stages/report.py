"""The stage `report`: read the results of all models and write the folder `reports/`."""

from collections.abc import Sequence

import click

from microfacial import files
from microfacial.datasets import ClipsConfig
from microfacial.datasets.clip_table import digest_data, read_clips
from microfacial.evaluation.model_results import read_model_results
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.unit_files import read_ranked_units
from microfacial.pipeline.leaderboard import list_configured_models
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import file_hash
from microfacial.pipeline.result_versions import read_result_versions
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import read_features
from microfacial.report.dvc_plots import write_plots
from microfacial.report.page import PageContent, render_page
from microfacial.report.results import ReportConfig
from microfacial.report.summary import list_metrics, summarise
from microfacial.report.tables import read_ablation
from microfacial.report.unit_results import (
    UnitPageContent,
    list_unit_metrics,
    render_unit_page,
    summarise_units,
)
from microfacial.settings import read_section
from microfacial.tracking.same_features import require_same_features, require_same_protocol


def run_report(project: Project) -> None:
    """Write index.html, plots/, metrics.json and scores.json about all models that params.yaml lists.

    Args:
        project: The data set.

    Raises:
        StorageError: A file of an earlier stage is missing or damaged.
        ProtocolError: models were trained on different clips, faces or flow, on other clips than the present ones, or
            with another protocol.
        ConfigError: A section of params.yaml is wrong.
    """
    folder, config = project.results, read_section(PARAMS, "report", ReportConfig)
    require_stage_settings(folder, PARAMS)
    train, models = read_section(PARAMS, "train", TrainConfig), list_configured_models()
    trained = [folder / "train" / model for model in models]
    require_same_features(trained, file_hash(folder / "clips.csv"))
    require_same_protocol(trained, train.model_dump(mode="json"))
    if train.task == "units":
        _report_units(project, train, models)
        return
    store, clips = read_features(folder)
    results = read_model_results(folder / "train", models, train)
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


def _report_units(project: Project, train: TrainConfig, models: Sequence[str]) -> None:
    """Write the report of the task `units`. It has no tables for `dvc plots`, so the folder plots/ is empty."""
    reports = project.results / "reports"
    evaluations = read_ranked_units(project.results / "train", models)
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
