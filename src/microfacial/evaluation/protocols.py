"""Who is held out, who validates, who trains: plans whose parts share no subject.

    loso                   a subject; known are the others of the same corpus
    composite              a subject; known are all others, of whatever corpus
    leave-one-dataset-out  a corpus; known are all other corpora
    holdout                the subjects that are listed, together; known are all others

Source: leave-one-subject-out over a composite of corpora, See et al., MEGC 2019, doi:10.1109/FG.2019.8756611;
leave-one-dataset-out: Varanka et al., arXiv:2211.11425.
"""

import warnings
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from microfacial.errors import ProtocolError
from microfacial.records import FoldPlan, Samples
from microfacial.settings import Section

_FEWEST_KNOWN = 2  # subjects: one to validate on, one to train on
Rows = NDArray[np.bool_]


class TrainConfig(Section):
    """The `train` section of params.yaml: the protocol, the same for every model."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"validation_parts": "validation_folds"})

    protocol: Literal["loso", "composite", "leave-one-dataset-out", "holdout"] = "loso"
    holdout: tuple[str, ...] = Field((), strict=False)  # subjects such as casme2/sub03; no other protocol looks at it
    seed: int = Field(0, ge=0)
    repeats: int = Field(1, ge=1)  # repetitions of the whole protocol with seeds seed, seed + 1, …
    validation_folds: int = Field(5, ge=2)  # one in so many of the subjects that are not held out chooses the epoch
    bootstrap_draws: int = Field(2000, ge=100)
    oracle: bool = False  # also note what choosing the epoch on the held-out rows would claim
    checkpoints: bool = False  # keep the weights of every fold


def plan_folds(samples: Samples, config: TrainConfig) -> list[FoldPlan]:
    """The folds of a protocol, by name, for each repetition; the known rows of each are divided into parts.

    A fold's plan depends on the data, the repetition's seed and the fold's name, not on the other folds.

    Raises:
        ProtocolError: the data cannot be divided by the protocol.
    """
    divided = _FOLDS[config.protocol](samples, config)
    repeats = range(config.seed, config.seed + config.repeats)
    return [_plan_fold(samples, name, repeat, config, *rows) for repeat in repeats for name, rows in divided.items()]


def plan_groups(samples: Samples, groups: int, config: TrainConfig) -> list[FoldPlan]:
    """Folds that hold out a group of subjects in turn, for each repetition; who is known is as the protocol has it.

    Subjects are divided once, with the config's seed, so that repetitions differ in the seeds of their folds alone.
    Under leave-one-subject-out each corpus is divided by itself.

    Raises:
        ProtocolError: there are too few subjects.
    """
    apart = config.protocol == "loso"
    divided = {}
    for corpus in np.unique(samples.corpora) if apart else [""]:
        among = samples.corpora == corpus if apart else np.full(len(samples.corpora), True)
        rows, what = np.flatnonzero(among), f"groups of subjects {corpus}".strip()
        _require_known(samples, among & (samples.subjects != samples.subjects[rows[0]]), what)
        group = divide_subjects(samples.labels[rows], samples.subjects[rows], groups, config.seed)
        for number in np.unique(group):
            held_out = np.zeros_like(among)
            held_out[rows[group == number]] = True
            _require_known(samples, among & ~held_out, what)
            divided[f"{corpus} group {number}".strip()] = held_out, among & ~held_out
    repeats = range(config.seed, config.seed + config.repeats)
    return [_plan_fold(samples, name, repeat, config, *rows) for repeat in repeats for name, rows in divided.items()]


def scored_rows(samples: Samples, config: TrainConfig) -> NDArray[np.int64]:
    """Rows that a repetition of the protocol predicts, each exactly once, ascending."""
    if config.protocol == "holdout":
        return np.flatnonzero(np.isin(samples.subjects, config.holdout))
    return np.arange(len(samples.subjects))


def _leave_subjects_of_each_corpus(samples: Samples, config: TrainConfig) -> dict[str, tuple[Rows, Rows]]:
    folds = {}
    for subject in np.unique(samples.subjects):
        held_out = samples.subjects == subject
        corpus = samples.corpora[held_out][0]
        known = (samples.corpora == corpus) & ~held_out
        _require_known(samples, known, f"leave-one-subject-out within {corpus}")
        folds[str(subject)] = held_out, known
    return folds


def _leave_subjects(samples: Samples, config: TrainConfig) -> dict[str, tuple[Rows, Rows]]:
    folds = {str(subject): _against_rest(samples.subjects == subject) for subject in np.unique(samples.subjects)}
    for _, known in folds.values():
        _require_known(samples, known, "leave-one-subject-out")
    return folds


def _leave_corpora(samples: Samples, config: TrainConfig) -> dict[str, tuple[Rows, Rows]]:
    corpora = np.unique(samples.corpora)
    if len(corpora) < 2:
        raise ProtocolError(
            f"train.protocol leave-one-dataset-out needs at least 2 corpora, found {corpora[0]} alone. "
            "Name more in clips.corpora, or choose loso"
        )
    folds = {str(corpus): _against_rest(samples.corpora == corpus) for corpus in corpora}
    for corpus, (_, known) in folds.items():
        _require_known(samples, known, f"to hold {corpus} out")
    return folds


def _hold_out(samples: Samples, config: TrainConfig) -> dict[str, tuple[Rows, Rows]]:
    if not config.holdout:
        raise ProtocolError("train.holdout is empty. List the subjects to hold out, such as casme2/sub03")
    strangers = sorted(set(config.holdout) - set(samples.subjects.tolist()))
    if strangers:
        raise ProtocolError(
            f"train.holdout: no clip is of {', '.join(strangers)}. Subjects are named <corpus>/<subject>, such as "
            f"{samples.subjects[0]}; clips.csv lists them"
        )
    held_out, known = _against_rest(np.isin(samples.subjects, config.holdout))
    _require_known(samples, known, "holdout")
    return {"holdout": (held_out, known)}


_FOLDS: Mapping[str, Callable[[Samples, TrainConfig], dict[str, tuple[Rows, Rows]]]] = {
    "loso": _leave_subjects_of_each_corpus,
    "composite": _leave_subjects,
    "leave-one-dataset-out": _leave_corpora,
    "holdout": _hold_out,
}


def _against_rest(held_out: Rows) -> tuple[Rows, Rows]:
    return held_out, ~held_out


def _require_known(samples: Samples, known: Rows, what: str) -> None:
    left = len(np.unique(samples.subjects[known]))
    if left < _FEWEST_KNOWN:
        raise ProtocolError(
            f"{what}: needs at least {_FEWEST_KNOWN} subjects beside the held-out ones, to train and to validate on, "
            f"found {left}. Add clips of more people, or choose another train.protocol"
        )


def _plan_fold(samples: Samples, name: str, repeat: int, config: TrainConfig, held_out: Rows, known: Rows) -> FoldPlan:
    seed = zlib.crc32(f"{repeat}:{name}".encode())
    rows = np.flatnonzero(known)
    return FoldPlan(
        name=name,
        repeat=repeat,
        seed=seed,
        test_rows=np.flatnonzero(held_out),
        training_rows=rows,
        validation_fold=divide_subjects(samples.labels[rows], samples.subjects[rows], config.validation_folds, seed),
    )


def divide_subjects(labels: NDArray[np.int64], subjects: NDArray[np.str_], parts: int, seed: int) -> NDArray[np.int64]:
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
    return np.unique(part, return_inverse=True)[1]  # the splitter may leave a part empty
