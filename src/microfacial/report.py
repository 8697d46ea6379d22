"""What the runs of a data set came to: metrics.json for DVC, and one page for people."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from pydantic import Field

from microfacial.figures import as_png, draw_confusion
from microfacial.records import ORACLE, Clip, Comparison, Evaluation, Predictions
from microfacial.settings import Section

BASELINE = "linear_svm"  # the model that every other is compared with
_PROTOCOLS = {
    "loso": "leave-one-subject-out within each corpus",
    "composite": "leave-one-subject-out over all corpora together",
    "leave-one-dataset-out": "leave-one-dataset-out: trained on the other corpora",
    "holdout": "a fixed list of held-out subjects",
}
_DIGITS = 4


class ReportConfig(Section):
    """The `report` section of params.yaml."""

    hardest_clips: int = Field(10, ge=0)  # how many clips to list that most models get wrong


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that is known of one trained model. `oracle` is the UF1 that it would have claimed; it is never ranked by."""

    evaluation: Evaluation
    predictions: Predictions
    against_baseline: Comparison | None = None
    oracle: float | None = None


def summarise(results: Sequence[Result]) -> dict[str, Any]:
    """Scores of every model, rounded to four digits, best UF1 first, and the note that they share."""
    shared = results[0].evaluation
    return {
        "note": shared.note,
        "protocol": shared.protocol,
        "repeats": shared.repeats,
        "models": {result.evaluation.model: _summarise_one(result) for result in rank(results)},
    }


def _summarise_one(result: Result) -> dict[str, Any]:
    evaluation = result.evaluation
    return {
        "uf1": _rounded(evaluation.overall.uf1),
        "uf1_interval": [_rounded(edge) for edge in evaluation.uf1_interval],
        "uf1_sd": _rounded(evaluation.uf1_sd),
        "uar": _rounded(evaluation.overall.uar),
        "uar_interval": [_rounded(edge) for edge in evaluation.uar_interval],
        "uar_sd": _rounded(evaluation.uar_sd),
        "accuracy": _rounded(evaluation.overall.accuracy),
        "ece": _rounded(evaluation.ece),
        "mean_over_folds_uf1": _rounded(evaluation.mean_over_folds_uf1),
        "mean_over_folds_uar": _rounded(evaluation.mean_over_folds_uar),
        "mean_over_folds_accuracy": _rounded(evaluation.mean_over_folds_accuracy),
        "clips": evaluation.overall.clips,
        "subjects": evaluation.overall.subjects,
        "corpora": {
            corpus: {"uf1": _rounded(score.uf1), "uar": _rounded(score.uar), "clips": score.clips}
            for corpus, score in evaluation.corpora.items()
        },
        **_summarise_comparison(result.against_baseline),
    }


def _summarise_comparison(found: Comparison | None) -> Mapping[str, Any]:
    if found is None:
        return {}
    return {
        f"against_{found.baseline}": {
            "uf1_difference": _rounded(found.uf1_difference),
            "interval": [_rounded(edge) for edge in found.uf1_interval],
            "p": _rounded(found.mcnemar_p),
        }
    }


def rank(results: Sequence[Result]) -> list[Result]:
    """Best UF1 first, ties by name."""
    return sorted(results, key=lambda result: (-result.evaluation.overall.uf1, result.evaluation.model))


def render(dataset: str, scheme: str, clips: Sequence[Clip], results: Sequence[Result], config: ReportConfig) -> str:
    """One self-contained HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("microfacial").joinpath("report.html").read_text())
    shared = results[0].evaluation
    return template.render(
        dataset=dataset,
        scheme=scheme,
        protocol=_PROTOCOLS[shared.protocol],
        note=shared.note,
        repeats=shared.repeats,
        results=rank(results),
        baseline=BASELINE,
        compared=any(result.against_baseline for result in results),
        oracle=ORACLE if any(result.oracle is not None for result in results) else "",
        pictures={result.evaluation.model: _as_data_uri(result.evaluation) for result in results},
        classes=shared.classes,
        card=_data_card(clips, shared.classes),
        hardest=_hardest([result.predictions for result in results], config.hardest_clips),
        corpora=sorted(shared.corpora),
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


def _hardest(predictions: Sequence[Predictions], most: int) -> list[tuple[str, str, int]]:
    """Clips that most models get wrong: id, truth, how many models."""
    wrong: dict[tuple[str, str], int] = {}
    for found in predictions:
        for row in (found.voted != found.truth).nonzero()[0]:
            clip = str(found.clips[row]), found.classes[found.truth[row]]
            wrong[clip] = wrong.get(clip, 0) + 1
    ordered = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return [(clip, truth, count) for (clip, truth), count in ordered[:most]]


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
