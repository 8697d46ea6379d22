"""Turn the rows of result files into records, and check that they belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import DamagedError
from microfacial.formats import parse_decimal, parse_whole
from microfacial.records import Evaluation, History, Importances, LearningTask, Predictions

PREDICTION_COLUMNS = ("clip", "subject", "repeat", "truth", "predicted")
"""Columns of predictions.csv, before one column of probabilities for each class."""

CURVES = tuple(field.name for field in fields(History))
"""Names of the curves of a training."""

_ROUNDING = 1e-6  # of probabilities in predictions.csv
_SUM_TOLERANCE = 1e-3  # of probabilities, which some models compute as float32
_NAMES = ("clips", "region_names", "window_names")


@dataclass(frozen=True)
class TrainedSettings:
    """Content of settings.json: sections of params.yaml, with presets resolved and one model.

    Attributes:
        faces: the section `faces`.
        flow: the section `flow`.
        models: the settings of one model by its name.
    """

    faces: dict[str, Any]
    flow: dict[str, Any]
    models: dict[str, dict[str, Any]]

    def check(self, model: str) -> None:
        """Check the names in the sections.

        Args:
            model: name of the model.

        Raises:
            DamagedError: the settings are those of another model, or the method of flow is missing.
        """
        if set(self.models) != {model}:
            raise DamagedError(f"models has {', '.join(self.models) or 'nothing'} instead of {model}")
        if "method" not in self.flow:
            raise DamagedError("flow has no method")


def to_predictions(rows: Sequence[Mapping[str, str]], evaluation: Evaluation) -> Predictions:
    """Return the predictions in the rows of predictions.csv.

    Args:
        rows: cells by the name of their column.
        evaluation: scores of the same training.

    Returns:
        Predictions, sorted by the ids of clips.

    Raises:
        DamagedError: a cell is wrong, a clip is missing or surplus, or repetitions contradict each other.
    """
    classes, repeats, clips = evaluation.classes, evaluation.repeats, evaluation.overall.clips
    if len(rows) != repeats * clips:
        raise DamagedError(f"{len(rows)} rows instead of {repeats} × {clips}, as evaluation.json says")
    ordered = sorted(rows, key=lambda row: (parse_whole(row["repeat"]), row["clip"]))
    number = {label: index for index, label in enumerate(classes)}
    unknown = [row[name] for row in rows for name in ("truth", "predicted") if row[name] not in number]
    if unknown:
        raise DamagedError(f"{unknown[0]!r} is not one of the classes {', '.join(classes)}")
    shape = (repeats, clips)
    ids, subjects, repeat, truth, predicted = (
        np.array([row[name] for row in ordered], dtype=np.str_).reshape(shape) for name in PREDICTION_COLUMNS
    )
    if len({*repeat[:, 0]}) < repeats or (repeat != repeat[:, :1]).any():
        raise DamagedError("a repetition has too few or too many rows")
    if len({*ids[0]}) < clips or any((names != names[0]).any() for names in (ids, subjects, truth)):
        raise DamagedError("a clip appears twice in a repetition, or differs between repetitions")
    probabilities = np.array([[parse_decimal(row[f"p_{label}"]) for label in classes] for row in ordered])
    indices = np.array([number[label] for label in predicted.ravel()])
    _check_probabilities(probabilities, indices, ids.ravel())
    return Predictions(
        model=evaluation.model,
        protocol=evaluation.protocol,
        classes=classes,
        clips=ids[0],
        subjects=subjects[0],
        truth=np.array([number[label] for label in truth[0]], dtype=np.int64),
        predicted=indices.reshape(shape),
        probabilities=probabilities.reshape(*shape, len(classes)),
    )


def _check_probabilities(
    probabilities: NDArray[np.float64], predicted: NDArray[np.int64], clips: NDArray[np.str_]
) -> None:
    """Check that probabilities sum to 1 and that the most probable class is the predicted one."""
    tolerance = _ROUNDING * (probabilities.shape[1] + 1)
    highest = probabilities[np.arange(len(predicted)), predicted]
    wrong = (
        (probabilities < 0).any(axis=1)
        | (np.abs(probabilities.sum(axis=1) - 1) > tolerance)
        | (highest < probabilities.max(axis=1) - 2 * _ROUNDING)
    )
    if wrong.any():
        raise DamagedError(f"the probabilities of {clips[wrong.argmax()]} contradict each other or the prediction")


def check_fold(
    arrays: Mapping[str, NDArray[Any]],
    rows: int,
    texts: Sequence[str],
    numbers: Sequence[str],
    task: LearningTask = "classes",
) -> None:
    """Check the predictions of a fold in a cache.

    Args:
        arrays: arrays by name, with finite numbers. `truth` and `probabilities` are those of `FoldResult`.
        rows: number of test rows.
        texts: names of arrays that hold one text.
        numbers: names of arrays that hold one number.
        task: what the fold predicts. The probabilities of units do not sum to 1.

    Raises:
        DamagedError: an array has another type or shape, or probabilities are wrong. The message names it.
    """
    truth, probabilities = arrays["truth"], arrays["probabilities"]
    if truth.dtype != np.int64 or truth.shape != (rows,) or (truth < 0).any():
        raise DamagedError(f"truth is {truth.dtype} {truth.shape} instead of the classes of {rows} rows")
    if probabilities.dtype != np.float64 or probabilities.ndim != 2 or len(probabilities) != rows:
        raise DamagedError(f"probabilities are {probabilities.dtype} {probabilities.shape} instead of {rows} rows")
    if task == "units":
        if probabilities.shape[1] != len(SCORED_UNITS) or ((probabilities < 0) | (probabilities > 1)).any():
            raise DamagedError(f"probabilities are not those of {len(SCORED_UNITS)} units")
    elif (truth >= probabilities.shape[1]).any() or (np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        raise DamagedError("probabilities do not sum to 1, or lack a class")
    for name in (*texts, *numbers):
        if arrays[name].shape != () or arrays[name].dtype.kind not in ("U" if name in texts else "if"):
            raise DamagedError(f"{name} is {arrays[name].dtype} {arrays[name].shape} instead of a single value")


def to_importances(arrays: Mapping[str, NDArray[Any]], clips: int) -> Importances:
    """Return the importances in importances.npz.

    Args:
        arrays: arrays by name, with all names of `Importances`.
        clips: number of test clips.

    Raises:
        DamagedError: an array is surplus, or has another type or shape than the names of clips, regions and windows
            need.
    """
    regions, windows = arrays["region_names"].size, arrays["window_names"].size
    shapes = {
        "clips": (clips,),
        "region_names": (regions,),
        "window_names": (windows,),
        "fusion": (clips, 2),
        "graph_regions": (clips, regions),
        "transformer_regions": (clips, regions),
        "windows": (clips, windows),
        "attention": (clips, regions, regions),
    }
    for name, array in arrays.items():
        right_type = array.dtype.kind == "U" or not array.size if name in _NAMES else array.dtype == np.float64
        if array.shape != shapes.get(name) or not right_type:
            raise DamagedError(f"{name} is {array.dtype} {array.shape}, which is wrong for {clips} clips")
    names = {name: tuple(arrays[name].tolist()) for name in ("region_names", "window_names")}
    content: dict[str, Any] = {**arrays, **names}
    return Importances(**content)
