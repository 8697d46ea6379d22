"""One model for new people, from what a protocol found: fitted on everybody, with what the folds chose.

Nobody is held out, so that nothing can be scored: the protocol's scores are of this procedure, not of this model.

Convention: the seed is that of a fold that holds nobody out, from the first repetition's seed and the name `everyone`.
"""

import re
import zlib
from collections.abc import Sequence
from statistics import median

import numpy as np

from microfacial.errors import StorageError
from microfacial.records import Fitted, Samples, TrainingData
from microfacial.settings import OptimiserSettings, Section
from microfacial.training import fit as training
from microfacial.training.one_thread import one_thread

_NOBODY_OUT = "everyone"


def fit_everyone(samples: Samples, model: str, settings: Section, seed: int) -> Fitted:
    """Fit a variant on all rows, with settings from `fixed_epochs`; the same seed gives the same model on one processor.

    An estimator chooses by groups of subjects among them, as it did in each fold.
    """
    known = TrainingData(
        samples=samples,
        validation_fold=np.zeros(len(samples.labels), dtype=np.int64),
        seed=zlib.crc32(f"{seed}:{_NOBODY_OUT}".encode()),
    )
    with one_thread():
        (fitted,) = training.fit([known], model=model, settings=settings)
    return fitted


def fixed_epochs(settings: Section, chosen: Sequence[str]) -> Section:
    """Settings that need nobody held back: where subjects chose the epoch, it is the median of what the folds chose.

    The schedule of the learning rate then ends with that epoch, where in a fold it was cut off by it.

    Args:
        chosen: what each fold chose, in words, such as `epochs 12, 30`.

    Raises:
        StorageError: the words name no epoch.
    """
    if not isinstance(settings, OptimiserSettings) or not settings.early_stopping:
        return settings
    epochs = [int(number) for words in chosen for number in _read_epochs(words)]
    return settings.model_copy(update={"early_stopping": False, "epochs": max(1, round(median(epochs)))})


def _read_epochs(words: str) -> list[str]:
    if not words.startswith("epoch"):
        raise StorageError(f"a fold chose {words!r}, which is no epoch. Run `dvc repro`")
    return re.findall(r"\d+", words)
