"""Finished folds, kept outside of what DVC hashes, so that a killed run goes on where it stopped.

A fold is kept under the key of everything it depends on: data, flow, settings, code, seed and fold. Another setting is
another key, so no fold of old settings is ever taken for a new one.
"""

from pathlib import Path

import numpy as np

from microfacial.records import FoldPlan, FoldResult, History
from microfacial.storage import writing

_CURVES = ("training_loss", "validation_loss", "validation_uar")


class FoldJournal:
    """The finished folds of one key, a file each."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key

    def write(self, fold: FoldResult) -> None:
        """Keep a finished fold."""
        with writing(self._path(fold.plan)) as fresh:
            np.savez(
                fresh,
                truth=fold.truth,
                probabilities=fold.probabilities,
                chosen=fold.chosen,
                seconds=fold.seconds,
                **{name: getattr(fold.history, name) for name in _CURVES},
            )

    def read(self, plan: FoldPlan) -> FoldResult | None:
        """The finished fold of a plan, or None if it is still to be trained."""
        path = self._path(plan)
        if not path.exists():
            return None
        with np.load(path) as kept:
            return FoldResult(
                plan=plan,
                truth=kept["truth"],
                probabilities=kept["probabilities"],
                chosen=str(kept["chosen"]),
                history=History(**{name: tuple(kept[name].tolist()) for name in _CURVES}),
                seconds=float(kept["seconds"]),
            )

    def _path(self, plan: FoldPlan) -> Path:
        return self._folder / f"{plan.key.replace('/', '-')}.npz"
