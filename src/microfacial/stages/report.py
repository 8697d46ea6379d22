"""Stage `report`: all models' results → reports/."""

import click
from rich.table import Table

from microfacial import report, storage
from microfacial.report import ReportConfig
from microfacial.settings import read_section, read_sections
from microfacial.stages.project import PARAMS, Project


def run(project: Project) -> None:
    """Write metrics.json and one page on all models that params.yaml lists."""
    build, config = project.build, read_section(PARAMS, "report", ReportConfig)
    models = list(read_sections(PARAMS)["models"])
    clips = storage.read_clips(build / "clips.csv")
    evaluations = [storage.read_evaluation(build / "train" / model) for model in models]
    predictions = [
        report.Prediction(model=model, **{key: row[key] for key in ("clip", "truth", "predicted")})
        for model in models
        for row in storage.read_csv(build / "train" / model / "predictions.csv")
    ]
    page = report.render(project.clips.name, project.clips.scheme, clips, evaluations, predictions, config)
    storage.write_text(build / "reports" / "index.html", page)
    storage.write_json(build / "reports" / "metrics.json", report.summarise(evaluations))
    click.echo(f"report: {build / 'reports' / 'index.html'}")


def leaderboard(project: Project) -> Table:
    """What `report` found, best first, with the seconds this machine took."""
    metrics = storage.read_json(project.build / "reports" / "metrics.json")
    title = f"{project.clips.name} · {project.clips.scheme}"
    table = Table(title=title, caption=metrics["note"] or None)
    table.add_column("model")
    for column in ("UF1", "95 %", "UAR", "95 %", "seconds"):
        table.add_column(column, justify="right")
    for model in metrics["models"]:
        found = storage.read_evaluation(project.build / "train" / model)  # unrounded, so that the page says the same
        low_high = ["{:.3f}–{:.3f}".format(*interval) for interval in (found.uf1_interval, found.uar_interval)]
        seconds = project.state / "seconds" / f"{model}.json"
        spent = f"{storage.read_json(seconds):.1f}" if seconds.exists() else "–"
        table.add_row(model, f"{found.overall.uf1:.3f}", low_high[0], f"{found.overall.uar:.3f}", low_high[1], spent)
    return table
