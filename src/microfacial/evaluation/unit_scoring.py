"""Scores of predictions of action units: pooled over the folds of a repetition, with intervals over subjects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import ProtocolError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.scoring import describe_limits, deviation, gather
from microfacial.evaluation.significance import Interval, percentile_interval, require_same, sample_subjects
from microfacial.evaluation.unit_metrics import binary_f1, count_outcomes, count_pairs, roc_area
from microfacial.records import FloatArray, FoldResult, Samples, UnitComparison, UnitEvaluation, UnitMeans, UnitScore


@dataclass(frozen=True, kw_only=True)
class UnitPredictions:
    """Predictions of one model for the n test clips of its protocol, once per repetition.

    Attributes:
        model: name of the model.
        protocol: value of `train.protocol`.
        clips: ids of the clips, `(n,)` str.
        subjects: person of each clip, `(n,)` str.
        truth: 1 if a unit moves, 0 if it does not, NaN if that is unknown, `(n, U)` float64.
        probabilities: predicted probabilities, `(repeats, n, U)` float64.
    """

    model: str
    protocol: str
    clips: NDArray[np.str_]
    subjects: NDArray[np.str_]
    truth: FloatArray
    probabilities: FloatArray

    @property
    def corpora(self) -> NDArray[np.str_]:
        """Corpus of each clip, `(n,)` str."""
        return np.array([subject.partition("/")[0] for subject in self.subjects.tolist()])

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """Number of the subject of each clip, `(n,)`."""
        return np.unique(self.subjects, return_inverse=True)[1]

    def scores(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return F1 and ROC area for draws of subjects.

        Args:
            times: how often each subject is drawn, `(draws, S)`.

        Returns:
            F1 and area, `(repeats, draws, U)` each; NaN for a unit without a score in a draw.
        """
        f1 = np.empty((len(self.probabilities), len(times), self.truth.shape[1]))
        areas = np.empty_like(f1)
        for repeat, probabilities in enumerate(self.probabilities):
            for column, moves in enumerate(self.truth.T):
                given = moves, probabilities[:, column], self.group, times.shape[1]
                f1[repeat, :, column] = binary_f1(times @ count_outcomes(*given))
                areas[repeat, :, column] = roc_area(*count_pairs(*given), times)
        return f1, areas

    def take(self, rows: NDArray[np.bool_]) -> "UnitPredictions":
        """Return the predictions for some clips.

        Args:
            rows: whether to take each clip, `(n,)`.
        """
        return replace(
            self,
            clips=self.clips[rows],
            subjects=self.subjects[rows],
            truth=self.truth[rows],
            probabilities=self.probabilities[:, rows],
        )


def keep_annotated(samples: Samples) -> Samples:
    """Return the rows whose annotation has action units, for the task `units`.

    Args:
        samples: all rows of the data set, with `Samples.units`.

    Returns:
        The rows from which a model can learn units. A row without annotation is never a negative example.

    Raises:
        ProtocolError: no row has annotated action units.
    """
    assert samples.units is not None  # `make_samples` reads the annotations
    annotated = np.flatnonzero(~np.isnan(samples.units).all(axis=1))
    if not len(annotated):
        raise ProtocolError(
            "no clip has annotated action units. Set train.task: classes, or use a corpus with action units"
        )
    return replace(samples.take(annotated, shared=True), task="units")


def gather_units(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> UnitPredictions:
    """Join the predictions of all folds, repetition by repetition, in the order of the rows.

    Args:
        model: name of the model.
        samples: the rows of `keep_annotated`.
        folds: results of all folds and repetitions, in any order.
        config: the protocol.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    assert samples.units is not None
    joined = gather(model, samples, folds, config)
    row = {clip: number for number, clip in enumerate(samples.clips.tolist())}
    rows = [row[clip] for clip in joined.clips.tolist()]
    return UnitPredictions(
        model=model,
        protocol=joined.protocol,
        clips=joined.clips,
        subjects=joined.subjects,
        truth=samples.units[rows].astype(np.float64),
        probabilities=joined.probabilities.round(6),  # as predictions.csv has them, so that it gives the same scores
    )


def pool_units(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> UnitEvaluation:
    """Score the predictions of each repetition and average the scores over repetitions.

    Args:
        model: name of the model.
        samples: the rows of `keep_annotated`.
        folds: results of all folds and repetitions, in any order.
        config: the protocol.

    Returns:
        Scores of each unit, their means, and intervals.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    predictions = gather_units(model, samples, folds, config)
    subjects = len(np.unique(predictions.subjects))
    f1, areas = predictions.scores(np.ones((1, subjects)))
    *intervals, (f1_interval, roc_interval) = draw_unit_intervals(predictions, config.bootstrap_draws, config.seed)
    known = ~np.isnan(predictions.truth)
    units = tuple(
        UnitScore(
            unit=unit,
            clips=int(known[:, column].sum()),
            positives=int((predictions.truth[:, column] == 1).sum()),
            f1=_mean(f1[..., column]),
            f1_interval=intervals[column][0],
            roc_area=_mean(areas[..., column]),
            roc_interval=intervals[column][1],
        )
        for column, unit in enumerate(SCORED_UNITS)
    )
    corpora = predictions.corpora
    return UnitEvaluation(
        model=model,
        protocol=config.protocol,
        repeats=config.repeats,
        units=units,
        overall=_average(predictions, f1, areas),
        f1_interval=f1_interval,
        roc_interval=roc_interval,
        f1_sd=score_deviation(predictions),
        corpora={str(name): score_means(predictions.take(corpora == name)) for name in np.unique(corpora)},
        note=describe_limits(samples.corpora, subjects, prior=any(fold.uses_prior for fold in folds)),
    )


def compare_units(model: UnitPredictions, baseline: UnitPredictions, draws: int, seed: int) -> UnitComparison:
    """Compare two models on the action units of the same clips.

    Args:
        model: predictions of the model.
        baseline: predictions of the baseline for the same clips.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.

    Returns:
        Differences in the mean scores, and their intervals.

    Raises:
        ProtocolError: the two have different protocols, clips or annotations.
    """
    require_same(
        model.model,
        baseline.model,
        protocol=model.protocol == baseline.protocol,
        clips=np.array_equal(model.clips, baseline.clips),
        subjects=np.array_equal(model.subjects, baseline.subjects),
        annotations=np.array_equal(model.truth, baseline.truth, equal_nan=True),
    )
    subjects = len(np.unique(model.subjects))
    everyone = np.ones((1, subjects))
    times = np.concatenate([everyone, sample_subjects(subjects, draws, seed)])  # the same draws for both
    means = [
        [_mean_over_units(scores).mean(axis=0) for scores in predictions.scores(times)]
        for predictions in (model, baseline)
    ]
    f1, areas = (ours - theirs for ours, theirs in zip(*means, strict=True))
    return UnitComparison(
        model=model.model,
        baseline=baseline.model,
        f1_difference=_mean(f1[:1]),
        f1_interval=_interval(f1[None, 1:]),
        roc_difference=_mean(areas[:1]),
        roc_interval=_interval(areas[None, 1:]),
        subjects=subjects,
    )


def score_units(predictions: UnitPredictions) -> list[tuple[float | None, float | None]]:
    """Return the F1 and the ROC area of each unit, averaged over repetitions; None without a score.

    Args:
        predictions: predictions of one model.
    """
    f1, areas = predictions.scores(np.ones((1, len(np.unique(predictions.subjects)))))
    return [(_mean(f1[..., unit]), _mean(areas[..., unit])) for unit in range(f1.shape[-1])]


def score_means(predictions: UnitPredictions) -> UnitMeans:
    """Return the mean scores over the units that have one.

    Args:
        predictions: predictions of one model.
    """
    return _average(predictions, *predictions.scores(np.ones((1, len(np.unique(predictions.subjects))))))


def score_deviation(predictions: UnitPredictions) -> float:
    """Return the standard deviation of the mean F1 over repetitions; 0 if there is no F1.

    Args:
        predictions: predictions of one model.
    """
    f1, _ = predictions.scores(np.ones((1, len(np.unique(predictions.subjects)))))
    spread = deviation(_mean_over_units(f1)[:, 0])
    return 0.0 if np.isnan(spread) else spread


def draw_unit_intervals(
    predictions: UnitPredictions, draws: int, seed: int
) -> list[tuple[Interval | None, Interval | None]]:
    """Return the 95 % intervals of F1 and of the ROC area: those of each unit, and last those of the means over units.

    Args:
        predictions: predictions of one model.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.
    """
    times = sample_subjects(len(np.unique(predictions.subjects)), draws, seed).astype(np.float64)
    f1, areas = predictions.scores(times)
    units = [(_interval(f1[..., unit]), _interval(areas[..., unit])) for unit in range(f1.shape[-1])]
    return [*units, (_interval(_mean_over_units(f1)), _interval(_mean_over_units(areas)))]


def _average(predictions: UnitPredictions, f1: FloatArray, areas: FloatArray) -> UnitMeans:
    """Return the means of scores, `(repeats, 1, U)` each, over repetitions and units."""
    return UnitMeans(
        f1=_mean(_mean_over_units(f1)),
        roc_area=_mean(_mean_over_units(areas)),
        clips=len(predictions.clips),
        subjects=len(np.unique(predictions.subjects)),
    )


def _mean_over_units(scores: FloatArray) -> FloatArray:
    """Return the mean over the units that have a score, `(…)`, of scores `(…, U)`; NaN if no unit has one."""
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0.0).sum(-1)
    return np.divide(total, known.sum(-1), out=np.full(total.shape, np.nan), where=known.any(-1))


def _mean(scores: FloatArray) -> float | None:
    """Return the mean over repetitions, or None if there is no score."""
    return None if np.isnan(scores).any() else float(scores.mean())


def _interval(drawn: FloatArray) -> Interval | None:
    """Return the interval over draws, `(repeats, draws)`, that have a score, or None if none has one."""
    means = drawn.mean(axis=0)
    means = means[~np.isnan(means)]
    return percentile_interval(means) if len(means) else None
