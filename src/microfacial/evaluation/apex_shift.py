"""Measure how much a wrong apex costs the hybrid.

Nothing is trained. The networks of the full hybrid predict their test clips again, with another frame as the apex.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from joblib import delayed
from numpy.typing import NDArray

from microfacial.disk import take_rows
from microfacial.evaluation.ablation_table import AblationRow, score_row
from microfacial.evaluation.experiment import Data
from microfacial.evaluation.protocols import scored_rows
from microfacial.models import MODELS
from microfacial.models.hybrid import HybridSettings
from microfacial.records import Clip, FoldResult, Predictions, Samples
from microfacial.training.fit import restore
from microfacial.training.one_thread import one_thread
from microfacial.workers import make_parallel

SHIFTS_FRAMES = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
UNSHIFTED = "0"
_MODEL = "hybrid"
ComputeFlow = Callable[[Sequence[Clip], str], NDArray[np.float16]]
"""Receives clips and a label for the progress bar. Returns their flow, `(n, T, C, H, W)`."""


def score_shifts(
    data: Data,
    samples: Samples,
    folds: Sequence[FoldResult],
    settings: HybridSettings,
    compute_flow: ComputeFlow,
    processes: int,
) -> list[AblationRow]:
    """Shift the apex of all test clips, and compare the predictions with those for the annotated apex.

    Args:
        data: the data set and the protocol.
        samples: inputs of the full hybrid with the annotated apexes.
        folds: folds of the full hybrid, with checkpoints.
        settings: settings of the full hybrid.
        compute_flow: function that computes the flow of shifted clips.
        processes: number of processes. It changes the time, not the results.

    Returns:
        One row for each of `SHIFTS_FRAMES`, in this order.
    """
    reference: Predictions | None = None
    rows = {}
    for frames in sorted(SHIFTS_FRAMES, key=abs):  # 0 is first: it is the reference of the others
        inputs, moved = _shift_inputs(data, samples, settings, compute_flow, frames)
        jobs = (delayed(predict_with_checkpoint)(fold, settings, inputs[fold.plan.test_rows]) for fold in folds)
        shifted = list(make_parallel(processes, "list")(jobs))
        name = f"{frames:+d}" if frames else UNSHIFTED
        row, predictions = score_row(name, samples, shifted, data.protocol, reference)
        rows[frames] = replace(row, moved=moved)
        reference = reference or predictions
    return [rows[frames] for frames in SHIFTS_FRAMES]


def shift_apex(clip: Clip, frames: int) -> Clip:
    """Move the apex of a clip to a later or an earlier frame.

    The new apex is an existing frame strictly between onset and offset. If the requested frame is not such a frame, the
    apex moves as far in this direction as possible, or not at all.

    Args:
        clip: a clip with its annotated apex.
        frames: number of frames; negative values move the apex to an earlier frame.

    Returns:
        The clip with the new apex.
    """
    target = clip.apex + frames
    first, last = sorted((clip.apex, target))
    allowed = (number for number in clip.numbers if first <= number <= last and clip.onset < number < clip.offset)
    return replace(clip, apex=min(allowed, key=lambda number: abs(number - target), default=clip.apex))


def predict_with_checkpoint(fold: FoldResult, settings: HybridSettings, inputs: NDArray[np.float32]) -> FoldResult:
    """Predict other inputs of a fold's test rows with the fold's own network.

    Args:
        fold: a fold of the hybrid, with its checkpoint.
        settings: settings of the hybrid.
        inputs: other inputs of the test rows, `(n, …)`.

    Returns:
        The fold with the new probabilities.
    """
    with one_thread():  # as in training
        return replace(fold, probabilities=restore(_MODEL, settings, fold.checkpoint).predict(inputs))


def _shift_inputs(
    data: Data, samples: Samples, settings: HybridSettings, compute_flow: ComputeFlow, frames: int
) -> tuple[NDArray[np.float32], int]:
    """Return inputs, `(N, …)`, with shifted apexes in test rows, and the number of clips that moved by all frames."""
    clips, store = data.clips, data.store
    shifted = {int(row): shift_apex(clips[row], frames) for row in scored_rows(samples, data.protocol)}
    moved = [row for row, clip in shifted.items() if clip.apex != clips[row].apex]
    inputs = take_rows(samples.inputs, np.arange(len(clips)), shared=True)
    if moved:
        moved_store = replace(
            store,
            clips=tuple(store.clips[row] for row in moved),
            crops=store.crops[moved],  # of the annotated apex: the hybrid uses motion only
            flow=compute_flow([shifted[row] for row in moved], f"apex {frames:+d}"),
            boxes=store.boxes[moved],
        )
        inputs[moved] = MODELS[_MODEL].make_inputs(moved_store, settings).values
    return inputs, sum(clip.apex == clips[row].apex + frames for row, clip in shifted.items())
