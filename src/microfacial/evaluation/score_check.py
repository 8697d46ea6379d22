"""Check stored scores: that they are possible, and that they are the scores of the stored predictions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DamagedError
from microfacial.evaluation.scoring import describe_limits, deviation, score_clips
from microfacial.evaluation.significance import bootstrap_intervals, count_by_subject
from microfacial.metrics import CONFIDENCE_BINS, Counts, accuracy, calibration_error, confusion, uar, uf1
from microfacial.records import PROTOCOL_NAMES, Evaluation, Predictions, Score, UnitEvaluation

_METRICS = ("uf1", "uar", "accuracy")
_TOLERANCE = 1e-9  # between machines, which round sums differently
_ROUNDING = 1e-6  # of stored probabilities, which have six decimals


def check_evaluation(evaluation: Evaluation) -> None:
    """Check that scores lie between 0 and 1, and that they belong to their confusion matrices.

    Args:
        evaluation: the content of evaluation.json.

    Raises:
        DamagedError: they do not. The message names the attribute.
    """
    classes, repeats = evaluation.classes, evaluation.repeats
    check_training(evaluation.protocol, repeats)
    if not classes or len(set(classes)) < len(classes):
        raise DamagedError(f"classes {', '.join(classes)} are not those of a training")
    means = ("mean_over_folds_uf1", "mean_over_folds_uar", "mean_over_folds_accuracy")
    shares = {name: getattr(evaluation, name) for name in ("uf1_sd", "uar_sd", "ece", *means)}
    for name, score in {"overall": evaluation.overall, **evaluation.corpora}.items():
        shares |= {f"{name}.{metric}": getattr(score, metric) for metric in _METRICS}
    for metric in ("uf1_interval", "uar_interval"):
        low, high = getattr(evaluation, metric)
        shares |= {f"{metric}.0": low, f"{metric}.1": high}
        if low > high:
            raise DamagedError(f"{metric} starts at {low} and ends at {high}")
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise DamagedError(f"{name} is {value}, not between 0 and 1")
    for name, score in {"overall": evaluation.overall, **evaluation.corpora}.items():
        _check_score(name, score, len(classes), repeats)
    parts = [np.array(score.confusion) for score in evaluation.corpora.values()]
    if not parts or (np.sum(parts, axis=0) != np.array(evaluation.overall.confusion)).any():
        raise DamagedError("the confusion matrices of corpora do not add up to that of overall")


def check_training(protocol: str, repeats: int) -> None:
    """Check the protocol of a training.

    Args:
        protocol: value of `train.protocol`.
        repeats: number of repetitions.

    Raises:
        DamagedError: there is no such protocol, or no repetition.
    """
    if protocol not in PROTOCOL_NAMES or repeats < 1:
        raise DamagedError(f"protocol {protocol!r} and repeats {repeats} are not those of a training")


def check_note(evaluation: Evaluation | UnitEvaluation, *, prior: bool | None) -> None:
    """Check that the note has all reasons why the scores must be read with care, and no others.

    Args:
        evaluation: the content of evaluation.json or units.json.
        prior: whether the model uses the motion prior. None if it is unknown.

    Raises:
        DamagedError: the note differs.
    """
    choices = (True, False) if prior is None else (prior,)
    notes = [describe_limits(evaluation.corpora, evaluation.overall.subjects, prior=choice) for choice in choices]
    if evaluation.note not in notes:
        raise DamagedError(f"note is {evaluation.note!r}, but the corpora and the settings give {notes[0]!r}")


def _check_score(name: str, score: Score, classes: int, repeats: int) -> None:
    even = len({len(row) for row in score.confusion}) == 1
    counts: Counts = np.array(score.confusion if even else (), dtype=np.int64)
    if counts.shape != (classes, classes) or (counts < 0).any():
        raise DamagedError(f"{name}.confusion is not a matrix of {classes} × {classes} counts")
    if counts.sum() != score.clips * repeats or score.clips < 1:
        raise DamagedError(f"{name}.confusion counts {counts.sum()} clips, not {score.clips} × {repeats}")
    if not 1 <= score.subjects <= score.clips:
        raise DamagedError(f"{name} has {score.subjects} subjects in {score.clips} clips")
    expected = {"accuracy": accuracy(counts)}  # UF1 and UAR of several repetitions are means over their matrices
    expected |= {"uf1": uf1(counts), "uar": uar(counts)} if repeats == 1 else {}
    for metric, value in expected.items():
        require_equal_score(f"{name}.{metric}", getattr(score, metric), float(value), "its confusion matrix")


def check_scores(evaluation: Evaluation, predictions: Predictions, bootstrap: tuple[int, int] | None = None) -> None:
    """Check that scores are those of the predictions of the same training.

    Args:
        evaluation: the content of evaluation.json.
        predictions: the content of predictions.csv.
        bootstrap: number of draws and seed of the intervals. None if they are unknown; then intervals are not checked.

    Raises:
        DamagedError: a score differs. The message names the attribute.
    """
    require_own_clips(predictions.clips, predictions.subjects)
    corpora = np.array([clip.partition("/")[0] for clip in predictions.clips])
    if set(corpora) != set(evaluation.corpora):
        raise DamagedError(
            f"it has clips of {', '.join(sorted(set(corpora)))}, but evaluation.json has scores of "
            f"{', '.join(sorted(evaluation.corpora))}"
        )
    scored = [("overall", evaluation.overall, np.full(len(corpora), True))]
    scored += [(name, score, corpora == name) for name, score in evaluation.corpora.items()]
    for name, score, rows in scored:
        expected = score_clips(predictions, rows)
        for metric in _METRICS:
            require_equal_score(
                f"{name}.{metric}", getattr(score, metric), getattr(expected, metric), "the predictions"
            )
        if (score.confusion, score.subjects) != (expected.confusion, expected.subjects):
            raise DamagedError(f"{name} in evaluation.json counts other clips than the predictions")
    for metric, value in (*_deviations(predictions), *_means_over_folds(predictions, corpora)):
        require_equal_score(metric, getattr(evaluation, metric), value, "the predictions")
    _check_calibration(evaluation.ece, predictions)
    if bootstrap is not None:
        intervals = bootstrap_intervals(count_by_subject(predictions), *bootstrap)
        for metric, interval in zip(("uf1_interval", "uar_interval"), intervals, strict=True):
            for end, value in enumerate(interval):
                stored = getattr(evaluation, metric)[end]
                require_equal_score(f"{metric}.{end}", stored, value, "the predictions")


def require_own_clips(clips: NDArray[np.str_], subjects: NDArray[np.str_]) -> None:
    """Check that every clip belongs to its subject.

    Args:
        clips: ids of clips, such as `casme2/sub01/EP02_01f`, `(n,)` str.
        subjects: person of each clip, such as `casme2/sub01`, `(n,)` str.

    Raises:
        DamagedError: a clip belongs to another subject.
    """
    for clip, subject in zip(clips, subjects, strict=True):
        if not clip.startswith(f"{subject}/"):
            raise DamagedError(f"the clip {clip} does not belong to the subject {subject}")


def _deviations(predictions: Predictions) -> Iterator[tuple[str, float]]:
    classes = len(predictions.classes)
    counts = np.stack([confusion(predictions.truth, predicted, classes) for predicted in predictions.predicted])
    yield "uf1_sd", deviation(uf1(counts))
    yield "uar_sd", deviation(uar(counts))


def _means_over_folds(predictions: Predictions, corpora: NDArray[np.str_]) -> Iterator[tuple[str, float]]:
    """Yield the mean scores of single folds. The protocol says which clips each fold tests."""
    tested = {"leave-one-dataset-out": corpora, "holdout": np.full(len(corpora), "holdout")}
    folds = tested.get(predictions.protocol, predictions.subjects)
    counts = np.stack(
        [
            confusion(predictions.truth[folds == fold], predicted[folds == fold], len(predictions.classes))
            for predicted in predictions.predicted
            for fold in np.unique(folds)
        ]
    )
    for metric, score in (("uf1", uf1), ("uar", uar), ("accuracy", accuracy)):
        yield f"mean_over_folds_{metric}", float(np.mean(score(counts)))


def _check_calibration(stored: float, predictions: Predictions) -> None:
    """Check the calibration error. Rounded probabilities can be in other bins, or be equal where one was higher."""
    probabilities = predictions.probabilities.reshape(-1, len(predictions.classes))
    expected = calibration_error(probabilities, np.tile(predictions.truth, len(predictions.probabilities)))
    ranked = np.sort(np.pad(probabilities, ((0, 0), (1, 0))), axis=1)  # a single class has no second probability
    places = ranked[:, -1] * CONFIDENCE_BINS
    edges = np.clip(np.rint(places), 1, CONFIDENCE_BINS - 1)
    near_edge = np.abs(places - edges) <= CONFIDENCE_BINS * _ROUNDING
    movable = float(np.mean(near_edge | (ranked[:, -1] - ranked[:, -2] <= 2 * _ROUNDING)))
    if abs(stored - expected) > 2 * movable + _ROUNDING:
        raise DamagedError(f"ece is {stored}, but the predictions give {expected:.6f}")


def require_equal_score(name: str, stored: float, expected: float, source: str) -> None:
    """Check a stored number against the number that other stored content gives.

    Args:
        name: name of the number.
        stored: the number.
        expected: the number that it must be, up to rounding.
        source: the other content.

    Raises:
        DamagedError: they differ.
    """
    if abs(stored - expected) > _TOLERANCE:
        raise DamagedError(f"{name} is {stored}, but {source} gives {expected:.6f}")
