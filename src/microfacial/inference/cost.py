"""Measure the time and the memory that bundles need."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from microfacial.inference.bundle import measure_weights, read_bundle
from microfacial.inference.example_input import make_example_input
from microfacial.inference.predict import TrainedModel
from microfacial.inference.request import open_requested_clip
from microfacial.training.one_thread import one_thread

_ROUNDS = 5  # of timing; a first round for warming up is not counted


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one prediction.

    Attributes:
        seconds: time from a video or map to the probabilities.
        size: size of the weights in bytes.
    """

    seconds: float
    size: int


def measure_costs(folders: Sequence[Path]) -> list[Cost]:
    """Measure the time and the size of bundles in this process, in turns, on the same example, with one thread.

    Args:
        folders: the folders of the bundles.

    Returns:
        One cost for each bundle, in the order of the folders. The time is the median over five rounds.
    """
    models = [read_bundle(folder) for folder in folders]
    examples = [make_example_input(model) for model in models]
    timings: list[list[float]] = [[] for _ in models]
    with one_thread():
        for _ in range(1 + _ROUNDS):
            for seconds, model, example in zip(timings, models, examples, strict=True):
                seconds.append(_time_prediction(model, **example))
    sizes = map(measure_weights, folders)
    return [Cost(seconds=median(seconds[1:]), size=size) for seconds, size in zip(timings, sizes, strict=True)]


def _time_prediction(model: TrainedModel, clip: str, **moments: Any) -> float:
    with open_requested_clip(clip) as path:
        start = time.perf_counter()
        model.predict_clip(path, **moments)
        return time.perf_counter() - start
