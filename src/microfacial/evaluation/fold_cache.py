"""Files of finished folds, outside of the outputs that DVC hashes. A run that was killed continues from them.

A fold is stored under a key: the digest of everything that its result depends on, such as data, settings and code. Any
change gives another key, so a fold of old settings is never reused for new ones. Folds with the same key differ only in
their test rows and their repetition.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DamagedError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.stored_results import CURVES, check_fold
from microfacial.files import as_file_name, digest, read_arrays, refuse_damaged, write_arrays
from microfacial.preprocessing.devices import find_device
from microfacial.records import FoldPlan, FoldResult, History, LearningTask
from microfacial.settings import Section
from microfacial.training.fit import arithmetic

_CHECKPOINT, _IMPORTANCES = "checkpoint/", "importances/"


def fold_key(
    features: str, code: str, protocol: TrainConfig, model: str, settings: Section, classes: Sequence[str]
) -> str:
    """Return the key of folds: a digest of everything that a fold's result depends on.

    The test rows and the repetition are not part of the key. They are part of the fold's file name. The number of
    bootstrap draws is not part of it either, because it changes intervals only.

    Args:
        features: digest of clips, faces and flow; see `preprocessing.store.features_digest`.
        code: digest of the code that trains and predicts.
        protocol: how the rows are divided into folds.
        model: name of the model.
        settings: settings of the model.
        classes: names of the classes, in the order of the labels.

    Returns:
        The key, 16 hexadecimal digits.

    Raises:
        ConfigError: this machine does not have the device of the protocol.
    """
    device = find_device(protocol.device, "train.device")
    division = protocol.model_dump(mode="json", exclude={"seed", "repeats", "bootstrap_draws", "device"})
    facts = (features, code, division, model, settings.model_dump(mode="json"), classes, arithmetic(settings, device))
    return digest([], *facts)


class FoldCache:
    """The finished folds of one key, one file for each fold.

    Args:
        folder: folder of the folds of one model.
        key: the key; see `fold_key`.
        task: what the folds predict.
    """

    def __init__(self, folder: Path, key: str, task: LearningTask = "classes") -> None:
        self._folder, self._task = folder / key, task

    def write(self, fold: FoldResult) -> None:
        """Store a finished fold.

        Args:
            fold: the fold with its predictions, curves, importances and checkpoint.
        """
        curves = {name: np.array(getattr(fold.history, name), dtype=np.float64) for name in CURVES}
        prefixed = {
            f"{prefix}{name}": array
            for prefix, arrays in ((_CHECKPOINT, fold.checkpoint), (_IMPORTANCES, fold.importances))
            for name, array in arrays.items()
        }
        results: dict[str, NDArray[Any]] = {
            "plan": np.array(fold.plan.key),
            "test_rows": fold.plan.test_rows,
            "truth": fold.truth,
            "probabilities": fold.probabilities,
            "chosen": np.array(fold.chosen),
            "seconds": np.array(fold.seconds),
            "device": np.array(fold.device),
        }
        write_arrays(self._path(fold.plan), {**results, **curves, **prefixed})

    def read(self, plan: FoldPlan) -> FoldResult | None:
        """Return the finished fold of a plan, or None if it is not in the cache.

        Args:
            plan: the fold to look for.

        Returns:
            The fold as it was stored, or None.

        Raises:
            StorageError: the file is damaged, or it is the file of another fold.
        """
        path = self._path(plan)
        if not path.exists():
            return None
        arrays = read_arrays(
            path, ("plan", "test_rows", "truth", "probabilities", "chosen", "seconds", "device", *CURVES)
        )
        with refuse_damaged(path):
            if str(arrays["plan"]) != plan.key or not np.array_equal(arrays["test_rows"], plan.test_rows):
                raise DamagedError(f"it is the fold {arrays['plan']} with {arrays['test_rows'].size} test rows")
            check_fold(arrays, len(plan.test_rows), ("chosen", "device"), ("seconds",), self._task)
            for name in CURVES:
                if arrays[name].dtype != np.float64 or arrays[name].ndim != 1:
                    raise DamagedError(f"{name} is {arrays[name].dtype} {arrays[name].shape} instead of a curve")
        return FoldResult(
            plan=plan,
            truth=arrays["truth"],
            probabilities=arrays["probabilities"],
            chosen=str(arrays["chosen"]),
            history=History(**{name: tuple(arrays[name].tolist()) for name in CURVES}),
            seconds=float(arrays["seconds"]),
            importances=_without_prefix(_IMPORTANCES, arrays),
            checkpoint=_without_prefix(_CHECKPOINT, arrays),
            device=str(arrays["device"]),
        )

    def _path(self, plan: FoldPlan) -> Path:
        return self._folder / f"{as_file_name(plan.key)}.npz"


def _without_prefix(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
