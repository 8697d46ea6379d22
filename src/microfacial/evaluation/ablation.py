"""What each part of the hybrid is worth, and what a misplaced apex costs it.

An ablation is the hybrid with a part taken away, trained anew on the same folds with the same seeds. A shift of the
apex trains nothing: networks as they are see the clips that were held out of their training with another frame for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.folds import one_thread
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.scoring import gather, pool
from microfacial.evaluation.significance import compare_predictions
from microfacial.models.hybrid import HybridSettings
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import Clip, Comparison, Evaluation, FoldResult, Predictions, Samples
from microfacial.settings import check
from microfacial.training.fit import restore

MODEL = "hybrid"
FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What is taken away: keys of `models.hybrid` and of `flow`, with what replaces them.

    `not_on_maps` says why it cannot be had of published maps; it is empty where it can.
    """

    hybrid: Mapping[str, Any] = field(default_factory=dict)
    flow: Mapping[str, Any] = field(default_factory=dict)
    not_on_maps: str = ""


ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        FULL: Ablation(),
        "without graph": Ablation(hybrid={"graph": False}),
        "without transformer": Ablation(hybrid={"transformer": False}),
        "fixed fusion": Ablation(hybrid={"fusion": "fixed"}),
        "one window": Ablation(
            hybrid={"windows_per_phase": 0}, not_on_maps="not possible on published maps, which have one window anyway"
        ),
        "head motion kept": Ablation(
            flow={"head_motion": "off"}, not_on_maps="not possible on published maps, which have no frames"
        ),
        "no flip": Ablation(hybrid={"flip": False, "test_time_flip": False}),
    }
)

SHIFTS_FRAMES = (-8, -4, -2, -1, 0, 1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One row of a table: scores and, but for the row that others are compared with, the difference to that one.

    Without scores `note` says why there are none. `moved` counts the clips whose apex could move as far as was asked
    for; None where no apex was to move.
    """

    name: str
    evaluation: Evaluation | None = None
    difference: Comparison | None = None
    moved: int | None = None
    note: str = ""


def take_away(ablation: Ablation, hybrid: HybridSettings, flow: FlowConfig) -> tuple[HybridSettings, FlowConfig]:
    """The settings without what an ablation takes away.

    Raises:
        ConfigError: what is left is no hybrid.
    """
    return (
        check({**hybrid.model_dump(), **ablation.hybrid}, HybridSettings, f"models.{MODEL}"),
        check({**flow.model_dump(), **ablation.flow}, FlowConfig, "flow"),
    )


def shift_apex(clip: Clip, frames: int) -> Clip:
    """The clip with its apex so many frames later, or as many of them as stay between onset and offset and exist."""
    wanted = clip.apex + frames
    first, last = sorted((clip.apex, wanted))
    allowed = (number for number in clip.numbers if first <= number <= last and clip.onset < number < clip.offset)
    return replace(clip, apex=min(allowed, key=lambda number: abs(number - wanted), default=clip.apex))


def predict_anew(fold: FoldResult, settings: HybridSettings, inputs: NDArray[np.float32]) -> FoldResult:
    """A fold with what its network, unchanged, predicts for other inputs `(n, …)` of its held-out rows; one thread."""
    with one_thread():  # as in training
        return replace(fold, probabilities=restore(MODEL, settings, fold.checkpoint).predict(inputs))


def score_row(
    name: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig, against: Predictions | None = None
) -> tuple[AblationRow, Predictions]:
    """Score the folds of one row, and compare them with the predictions of another.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    found = gather(name, samples, folds, config)
    difference = compare_predictions(found, against, config.bootstrap_draws, config.seed) if against else None
    return AblationRow(name=name, evaluation=pool(name, samples, folds, config), difference=difference), found


COLUMNS = (
    "uf1",
    "uf1_sd",
    "uar",
    "uar_sd",
    "uf1_difference",
    "uf1_difference_low",
    "uf1_difference_high",
    "uar_difference",
    "uar_difference_low",
    "uar_difference_high",
    "note",
)


def tabulate(trial: AblationRow) -> dict[str, Any]:
    """The cells of a row under `COLUMNS`; what is not known has none."""
    cells: dict[str, Any] = {"note": trial.note}
    if found := trial.evaluation:
        cells |= {"uf1": found.overall.uf1, "uf1_sd": found.uf1_sd, "uar": found.overall.uar, "uar_sd": found.uar_sd}
        cells["note"] = found.note
    if difference := trial.difference:
        for score in ("uf1", "uar"):
            low, high = getattr(difference, f"{score}_interval")
            cells[f"{score}_difference"] = getattr(difference, f"{score}_difference")
            cells |= {f"{score}_difference_low": low, f"{score}_difference_high": high}
    return cells
