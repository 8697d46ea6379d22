"""Fit an estimator of classes once for each action unit: unit or no unit.

    rows whose annotation says whether the unit moves ─▶ estimator with two classes ─▶ probability of the unit

A clip whose annotation leaves a unit open takes no part in the fit of that unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.models import Estimator
from microfacial.records import Fitted, FloatArray, History, TrainingData
from microfacial.settings import Section

_STATES = ("still", "moves")


@dataclass(frozen=True)
class FittedUnits:
    """One model for each action unit.

    Attributes:
        machines: a model with the classes of `_STATES` for each unit, or a constant probability.
        shape: shape of one sample.
        history: empty, because estimators have no epochs.
    """

    machines: Sequence[Fitted | float]
    shape: tuple[int, ...]
    history: History = field(default_factory=History)

    @property
    def chosen(self) -> str:
        """The choice of each model, as text."""
        choices = {
            unit: machine.chosen
            for unit, machine in zip(SCORED_UNITS, self.machines, strict=True)
            if not isinstance(machine, float) and machine.chosen
        }
        return ", ".join(f"AU{unit} {chosen}" for unit, chosen in choices.items())

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the probability of each unit, `(n, U)`, for inputs `(n, …)`."""
        columns = [
            np.full(len(inputs), machine) if isinstance(machine, float) else machine.predict(inputs)[:, 1]
            for machine in self.machines
        ]
        return np.stack(columns, axis=1)

    def checkpoint(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays of each model, with the unit in front of their names, and the shape of one sample."""
        arrays = {
            f"{unit}/{name}": array
            for unit, machine in zip(SCORED_UNITS, self.machines, strict=True)
            for name, array in (
                {"constant": np.array(machine)} if isinstance(machine, float) else machine.checkpoint()
            ).items()
        }
        return {**arrays, "shape": np.array(self.shape, dtype=np.int64)}


def fit_units(estimator: Estimator[Any], training_data: TrainingData, settings: Section) -> Fitted:
    """Fit an estimator for the task `units`.

    Args:
        estimator: the model variant.
        training_data: training rows of one fold, with `Samples.units`.
        settings: settings of the variant.

    Returns:
        The model. It predicts the probability of each of `SCORED_UNITS`.

    Raises:
        ConfigError: the settings do not fit the inputs.
    """
    if estimator.fit_units is not None:
        return estimator.fit_units(training_data, settings)
    machines = [_fit_unit(estimator, training_data, settings, column) for column in range(len(SCORED_UNITS))]
    return FittedUnits(machines, training_data.samples.inputs.shape[1:])


def _fit_unit(estimator: Estimator[Any], data: TrainingData, settings: Section, column: int) -> Fitted | float:
    """Fit the model of one unit. It is constant if only one subject is annotated or all rows have the same state."""
    samples = data.samples
    assert samples.units is not None  # `plan_training` read the annotations
    values = samples.units[:, column]
    rows = np.flatnonzero(~np.isnan(values))
    moves = values[rows].astype(np.int64)
    if len(np.unique(moves)) < 2 or len(np.unique(samples.subjects[rows])) < 2:
        return float(moves.mean()) if len(moves) else 0.0
    binary = replace(samples.take(rows), labels=moves, classes=_STATES, task="classes")
    fold = TrainingData(samples=binary, validation_fold=data.validation_fold[rows], seed=data.seed)
    return estimator.fit(fold, settings)
