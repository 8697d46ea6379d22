"""Who is held out, who validates, who trains: plans whose parts share no subject.

Source: leave-one-subject-out over a composite of corpora, See et al., MEGC 2019, doi:10.1109/FG.2019.8756611.
"""

import warnings
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from microfacial.errors import ProtocolError
from microfacial.records import FoldPlan, Samples
from microfacial.settings import Section

_FEWEST_SUBJECTS = 3  # one to hold out, one to validate on, one to train on


class TrainConfig(Section):
    """The `train` section of params.yaml: the protocol, the same for every model."""

    protocol: Literal["loso", "composite", "leave-one-dataset-out", "holdout"] = "loso"
    holdout: tuple[str, ...] = Field((), strict=False)  # subjects that `holdout` holds out, such as casme2/sub03
    seed: int = Field(0, ge=0)
    repeats: int = Field(1, ge=1)  # repetitions of the whole protocol with seeds seed, seed + 1, …
    validation_parts: int = Field(5, ge=2)  # one in so many of the subjects that are not held out chooses the epoch
    bootstrap_draws: int = Field(2000, ge=100)
    oracle: bool = False  # also note what choosing the epoch on the held-out rows would claim
    checkpoints: bool = False  # keep the weights of every fold


def plan_folds(samples: Samples, config: TrainConfig) -> list[FoldPlan]:
    """One fold a subject, in the order of their names, for each repetition; the others are divided into parts.

    A subject's plan depends on the data, the seed and the subject, not on the other folds.

    Raises:
        ProtocolError: fewer than three subjects.
    """
    subjects = np.unique(samples.subjects)
    if len(subjects) < _FEWEST_SUBJECTS:
        raise ProtocolError(
            f"leave-one-subject-out needs at least {_FEWEST_SUBJECTS} subjects, found {len(subjects)}. "
            "Add clips of more people"
        )
    repeats = range(config.seed, config.seed + config.repeats)
    return [_plan_fold(samples, str(subject), repeat, config) for repeat in repeats for subject in subjects]


def _plan_fold(samples: Samples, subject: str, repeat: int, config: TrainConfig) -> FoldPlan:
    seed = zlib.crc32(f"{repeat}:{subject}".encode())
    held_out = samples.subjects == subject
    known = np.flatnonzero(~held_out)
    return FoldPlan(
        name=subject,
        repeat=repeat,
        seed=seed,
        held_out=np.flatnonzero(held_out),
        known=known,
        part=_divide(samples.labels[known], samples.subjects[known], config.validation_parts, seed),
    )


def _divide(labels: NDArray[np.int64], subjects: NDArray[np.str_], parts: int, seed: int) -> NDArray[np.int64]:
    """Part `(n,)` of each row: subjects stay together, and each part's classes are as mixed as those of all rows."""
    most = min(parts, len(np.unique(subjects)))
    stratified = np.bincount(labels).max() >= most  # the splitter wants as many clips of some class as it makes parts
    kind = StratifiedGroupKFold if stratified else GroupKFold
    splitter = kind(most, shuffle=True, random_state=seed)
    part = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():  # rare classes are usual here; the splitter does the best it can
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, drawn) in enumerate(splitter.split(labels, labels, subjects)):
            part[drawn] = number
    return part
