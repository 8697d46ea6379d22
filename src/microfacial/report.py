"""What the runs of a data set came to: metrics.json for DVC, and one page for people."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from pydantic import Field

from microfacial.figures import as_png, draw_confusion
from microfacial.records import Clip, Evaluation
from microfacial.settings import Section

_DIGITS = 4


class ReportConfig(Section):
    """The `report` section of params.yaml."""

    hardest_clips: int = Field(10, ge=0)  # how many clips to list that most models get wrong


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One held-out prediction, as a row of predictions.csv."""

    model: str
    clip: str
    truth: str
    predicted: str


def summarise(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Scores of every model, rounded to four digits, best UF1 first, and the note that they share."""
    return {"note": evaluations[0].note, "models": {e.model: _summarise_one(e) for e in rank(evaluations)}}


def _summarise_one(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "uf1": _rounded(evaluation.overall.uf1),
        "uf1_interval": [_rounded(edge) for edge in evaluation.uf1_interval],
        "uar": _rounded(evaluation.overall.uar),
        "uar_interval": [_rounded(edge) for edge in evaluation.uar_interval],
        "accuracy": _rounded(evaluation.overall.accuracy),
        "mean_over_folds_uar": _rounded(evaluation.mean_over_folds_uar),
        "clips": evaluation.overall.clips,
        "subjects": evaluation.overall.subjects,
        "corpora": {
            corpus: {"uf1": _rounded(score.uf1), "uar": _rounded(score.uar), "clips": score.clips}
            for corpus, score in evaluation.corpora.items()
        },
    }


def rank(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Best UF1 first, ties by name."""
    return sorted(evaluations, key=lambda evaluation: (-evaluation.overall.uf1, evaluation.model))


def render(
    dataset: str,
    scheme: str,
    clips: Sequence[Clip],
    evaluations: Sequence[Evaluation],
    predictions: Sequence[Prediction],
    config: ReportConfig,
) -> str:
    """One self-contained HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("microfacial").joinpath("report.html").read_text())
    ranked = rank(evaluations)
    return template.render(
        dataset=dataset,
        scheme=scheme,
        note=evaluations[0].note,
        evaluations=ranked,
        pictures={evaluation.model: _as_data_uri(evaluation) for evaluation in ranked},
        classes=evaluations[0].classes,
        card=_data_card(clips, evaluations[0].classes),
        hardest=_hardest(predictions, config.hardest_clips),
        corpora=sorted({clip.corpus for clip in clips}),
    )


def _as_data_uri(evaluation: Evaluation) -> str:
    return "data:image/png;base64," + base64.b64encode(as_png(draw_confusion(evaluation))).decode()


def _data_card(clips: Sequence[Clip], classes: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Clips of each class for every person, in the order of their names."""
    people = sorted({clip.person for clip in clips})
    return [
        (person, [sum(clip.person == person and clip.label == label for clip in clips) for label in classes])
        for person in people
    ]


def _hardest(predictions: Sequence[Prediction], most: int) -> list[tuple[str, str, int]]:
    """Clips that most models get wrong: id, truth, how many models."""
    wrong: dict[tuple[str, str], int] = {}
    for row in predictions:
        if row.predicted != row.truth:
            wrong[row.clip, row.truth] = wrong.get((row.clip, row.truth), 0) + 1
    ordered = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return [(clip, truth, count) for (clip, truth), count in ordered[:most]]


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
