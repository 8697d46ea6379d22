"""The report of the task `units`: leaderboard, page and summary of the scores of action units."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from rich import box
from rich.table import Table

from microfacial.datasets.action_units import UNIT_NAMES
from microfacial.records import PROTOCOL_NAMES, UnitEvaluation
from microfacial.report.results import join_notes
from microfacial.report.rounding import round_scores
from microfacial.report.settings_list import flatten_settings
from microfacial.report.templates import make_environment, read_page_file


@dataclass(frozen=True, kw_only=True)
class UnitPageContent:
    """Everything that the page shows.

    Attributes:
        dataset: name of the data set.
        evaluations: scores of all models.
        data_digest: digest of the clips, their annotations and their frames.
        settings: sections `clips` and `train` of params.yaml.
        versions: versions of the packages that results depend on, by name.
    """

    dataset: str
    evaluations: Sequence[UnitEvaluation]
    data_digest: str
    settings: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]


def rank_units(evaluations: Sequence[UnitEvaluation]) -> list[UnitEvaluation]:
    """Return the evaluations with the best mean F1 first. Ties are sorted by name.

    Args:
        evaluations: scores of all models.
    """
    return sorted(evaluations, key=lambda evaluation: (-(evaluation.overall.f1 or 0.0), evaluation.model))


def draw_unit_leaderboard(dataset: str, evaluations: Sequence[UnitEvaluation], seconds: Mapping[str, float]) -> Table:
    """Return the table of all models that the terminal shows, best mean F1 first. It fits 80 columns.

    Args:
        dataset: name of the data set.
        evaluations: scores of all models.
        seconds: training time of each model on this machine, in seconds. Models without an entry show a dash.
    """
    ranked = rank_units(evaluations)
    several = len(ranked[0].corpora) > 1
    captions = list(join_notes(ranked).split("; "))
    captions += ["mean F1 and mean ROC area over action units; 95 %: over draws of subjects"]
    captions += ["corpora: mean F1 of each corpus, averaged over corpora"] * several
    table = Table(
        title=f"{dataset} · action units · {ranked[0].protocol}",
        caption="\n".join(filter(None, captions)),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("model")
    for column in ("F1", "95 %", "ROC", "95 %", *(["corpora"] if several else []), "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for evaluation in ranked:
        corpora = [write_unit_score(evaluation.f1_over_corpora)] if several else []
        time = seconds.get(evaluation.model)
        table.add_row(
            evaluation.model,
            write_unit_score(evaluation.overall.f1),
            write_unit_span(evaluation.f1_interval),
            write_unit_score(evaluation.overall.roc_area),
            write_unit_span(evaluation.roc_interval),
            *corpora,
            "–" if time is None else f"{time:.0f}",
        )
    return table


def render_unit_page(content: UnitPageContent) -> str:
    """Return the page as HTML. Equal content gives equal text.

    Args:
        content: everything that the page shows.
    """
    ranked = rank_units(content.evaluations)
    return _load_template().render(
        style=Markup(read_page_file("page.css")),
        script=Markup(read_page_file("page.js")),
        content=content,
        evaluations=ranked,
        best=ranked[0],
        shared=ranked[0],
        notes=join_notes(ranked),
        names=UNIT_NAMES,
        protocol=PROTOCOL_NAMES[ranked[0].protocol],
        corpora=sorted(ranked[0].corpora),
        settings={name: list(flatten_settings(section)) for name, section in content.settings.items()},
    )


@cache
def _load_template() -> Template:
    environment = make_environment()
    environment.filters |= {"score": write_unit_score, "span": write_unit_span}
    return environment.get_template("units.html")


def list_unit_metrics(evaluations: Sequence[UnitEvaluation]) -> dict[str, dict[str, float | None]]:
    """Return the two main scores of every model, rounded to four digits, for metrics.json.

    Args:
        evaluations: scores of all models.

    Returns:
        `f1` and `roc_area`, means over the units, by name of the model. The best F1 comes first.
    """
    scores = {evaluation.model: evaluation.overall for evaluation in rank_units(evaluations)}
    metrics: dict[str, dict[str, float | None]] = round_scores(
        {model: {"f1": score.f1, "roc_area": score.roc_area} for model, score in scores.items()}
    )
    return metrics


def summarise_units(evaluations: Sequence[UnitEvaluation]) -> dict[str, Any]:
    """Return all scores of every model, rounded to four digits, for scores.json.

    Args:
        evaluations: scores of all models.

    Returns:
        `note`, `protocol`, and `models`: scores by name of the model. The best F1 comes first.
    """
    ranked = rank_units(evaluations)
    models = {}
    for evaluation in ranked:
        scores = {
            name: value for name, value in asdict(evaluation).items() if name not in ("model", "protocol", "note")
        }
        models[evaluation.model] = round_scores({**scores, "f1_over_corpora": evaluation.f1_over_corpora})
    return {"note": join_notes(ranked), "protocol": ranked[0].protocol, "task": "units", "models": models}


def write_unit_score(score: float | None) -> str:
    """Return a score with three digits, or a dash if there is none.

    Args:
        score: the score, 0 to 1.
    """
    return "–" if score is None else f"{score:.3f}"


def write_unit_span(edges: tuple[float, float] | None) -> str:
    """Return an interval with three digits, or a dash if there is none.

    Args:
        edges: lower and upper end, 0 to 1.
    """
    return "–" if edges is None else "{:.3f}–{:.3f}".format(*edges)
