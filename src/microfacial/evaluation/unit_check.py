"""Check stored scores of action units: are they possible, and are they the scores of the stored predictions?"""

from collections.abc import Sequence

import numpy as np

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import DamagedError
from microfacial.evaluation.score_check import check_training, require_equal_score, require_own_clips
from microfacial.evaluation.significance import require_same
from microfacial.evaluation.unit_scoring import (
    UnitPredictions,
    draw_unit_intervals,
    score_deviation,
    score_means,
    score_units,
)
from microfacial.records import UnitEvaluation, UnitMeans, UnitScore

_Span = tuple[float, float] | None


def check_unit_evaluation(evaluation: UnitEvaluation) -> None:
    """Check that scores lie between 0 and 1, and that a score exists where it can.

    Args:
        evaluation: the content of units.json.

    Raises:
        DamagedError: they do not. The message names the attribute.
    """
    check_training(evaluation.protocol, evaluation.repeats)
    if tuple(score.unit for score in evaluation.units) != SCORED_UNITS:
        raise DamagedError(f"its units are not {', '.join(map(str, SCORED_UNITS))}")
    for score in evaluation.units:
        _check_unit(score, evaluation.overall.clips)
    _check_shares("f1_sd", evaluation.f1_sd)
    for name, means in {"overall": evaluation.overall, **evaluation.corpora}.items():
        _check_shares(f"a mean of {name}", means.f1, means.roc_area)
        if not 1 <= means.subjects <= means.clips:
            raise DamagedError(f"{name} has {means.subjects} subjects in {means.clips} clips")
    for metric, mean, span in (
        ("f1", evaluation.overall.f1, evaluation.f1_interval),
        ("roc_area", evaluation.overall.roc_area, evaluation.roc_interval),
    ):
        _check_span(f"overall.{metric}", mean, span)
    if sum(means.clips for means in evaluation.corpora.values()) != evaluation.overall.clips:
        raise DamagedError("the clips of corpora do not add up to those of overall")


def check_unit_scores(
    evaluation: UnitEvaluation, predictions: UnitPredictions, bootstrap: tuple[int, int] | None = None
) -> None:
    """Check that scores are those of the predictions of the same training.

    Args:
        evaluation: the content of units.json.
        predictions: the content of predictions.csv.
        bootstrap: number of draws and seed of the intervals. None if they are unknown; then intervals are not checked.

    Raises:
        DamagedError: a score differs. The message names the attribute.
    """
    require_own_clips(predictions.clips, predictions.subjects)
    corpora = predictions.corpora
    if set(corpora) != set(evaluation.corpora):
        raise DamagedError(f"it has clips of {', '.join(sorted(set(corpora)))}, but units.json has other corpora")
    for stored, column in zip(evaluation.units, predictions.truth.T, strict=True):
        if (stored.positives, stored.clips) != ((column == 1).sum(), (~np.isnan(column)).sum()):
            raise DamagedError(f"unit {stored.unit} moves in other clips than units.json says")
    for stored, (f1, area) in zip(evaluation.units, score_units(predictions), strict=True):
        _compare_scores(f"unit {stored.unit}", stored, f1, area)
    scored = {"overall": (evaluation.overall, predictions)}
    scored |= {name: (means, predictions.take(corpora == name)) for name, means in evaluation.corpora.items()}
    for name, (means, rows) in scored.items():
        recomputed = score_means(rows)
        if (means.clips, means.subjects) != (recomputed.clips, recomputed.subjects):
            raise DamagedError(f"{name} in units.json counts other clips than the predictions")
        _compare_scores(name, means, recomputed.f1, recomputed.roc_area)
    require_equal_score("f1_sd", evaluation.f1_sd, score_deviation(predictions), "the predictions")
    if bootstrap is not None:
        _compare_intervals(evaluation, draw_unit_intervals(predictions, *bootstrap))


def require_same_evaluation(evaluations: Sequence[UnitEvaluation]) -> None:
    """Check that models were evaluated in the same way, so that one table can rank them.

    Args:
        evaluations: scores of the models.

    Raises:
        ProtocolError: two models have other protocols, clips or annotations.
    """
    first = evaluations[0]
    for other in evaluations[1:]:
        require_same(
            other.model,
            first.model,
            protocol=other.protocol == first.protocol,
            clips=other.overall.clips == first.overall.clips and other.corpora.keys() == first.corpora.keys(),
            annotations=all(
                (score.clips, score.positives) == (expected.clips, expected.positives)
                for score, expected in zip(other.units, first.units, strict=True)
            ),
        )


def _check_unit(score: UnitScore, clips: int) -> None:
    name = f"unit {score.unit}"
    if not 0 <= score.positives <= score.clips <= clips:
        raise DamagedError(f"{name} moves in {score.positives} of {score.clips} clips")
    for metric, value, span, exists in (
        ("f1", score.f1, score.f1_interval, score.positives > 0),
        ("roc_area", score.roc_area, score.roc_interval, 0 < score.positives < score.clips),
    ):
        if (value is not None) != exists:
            raise DamagedError(f"{name} has {metric} {value}, but it moves in {score.positives} of {score.clips} clips")
        _check_shares(f"{name}.{metric}", value)
        _check_span(f"{name}.{metric}", value, span)


def _check_span(name: str, score: float | None, span: _Span) -> None:
    if (score is None) != (span is None):
        raise DamagedError(f"{name} is {score}, but its interval is {span}")
    if span is not None:
        _check_shares(f"the interval of {name}", *span)
        if span[0] > span[1]:
            raise DamagedError(f"the interval of {name} starts at {span[0]} and ends at {span[1]}")


def _check_shares(name: str, *values: float | None) -> None:
    for value in values:
        if value is not None and not 0 <= value <= 1:
            raise DamagedError(f"{name} is {value}, not between 0 and 1")


def _compare_scores(name: str, stored: UnitScore | UnitMeans, f1: float | None, roc_area: float | None) -> None:
    for metric, given, expected in (("f1", stored.f1, f1), ("roc_area", stored.roc_area, roc_area)):
        if given is None or expected is None:
            if given is not expected:
                raise DamagedError(f"{name}.{metric} is {given}, but the predictions give {expected}")
        else:
            require_equal_score(f"{name}.{metric}", given, expected, "the predictions")


def _compare_intervals(evaluation: UnitEvaluation, expected: Sequence[tuple[_Span, _Span]]) -> None:
    """Compare stored intervals with those of `draw_unit_intervals`."""
    stored = [(f"unit {score.unit}", score.f1_interval, score.roc_interval) for score in evaluation.units]
    stored.append(("overall", evaluation.f1_interval, evaluation.roc_interval))
    for (name, *spans), recomputed in zip(stored, expected, strict=True):
        for metric, given, span in zip(("f1", "roc_area"), spans, recomputed, strict=True):
            if given is None or span is None:
                if given is not span:
                    raise DamagedError(f"the interval of {name}.{metric} is {given}, but the predictions give {span}")
            else:
                for end, value, limit in zip(("start", "end"), given, span, strict=True):
                    require_equal_score(
                        f"the {end} of the interval of {name}.{metric}", value, limit, "the predictions"
                    )
