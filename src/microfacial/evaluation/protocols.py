"""Divide a data set into folds. Test rows and training rows share no subject, and neither do two validation folds.

    loso                   test: one subject. Training: the other subjects of the same corpus.
    composite              test: one subject. Training: all other subjects, of all corpora.
    leave-one-dataset-out  test: one corpus. Training: all other corpora.
    holdout                test: the subjects in `train.holdout`, together. Training: all other subjects.

Source: leave-one-subject-out over a composite of corpora, See et al., MEGC 2019, doi:10.1109/FG.2019.8756611;
leave-one-dataset-out: Varanka et al., arXiv:2211.11425.

Importing scikit-learn and the models takes seconds. Only the planning of folds imports them, because most commands need
the settings alone.
"""

import warnings
import zlib
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from microfacial.errors import ProtocolError, suggest
from microfacial.records import DeviceName, FoldPlan, LearningTask, Samples
from microfacial.settings import MAX_SEED, Section

if TYPE_CHECKING:
    from microfacial.models.lookup import Model

_MIN_TRAINING_SUBJECTS = 2  # one to train on and one to validate on
_Mask = NDArray[np.bool_]
_Folds = dict[str, tuple[_Mask, _Mask]]  # test rows and training rows by the name of the fold


class TrainConfig(Section):
    """The `train` section of params.yaml: the protocol of all models."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"validation_parts": "validation_folds"})

    protocol: Literal["loso", "composite", "leave-one-dataset-out", "holdout"] = "loso"
    holdout: tuple[str, ...] = Field((), strict=False)  # test subjects such as casme2/sub03; only `holdout` uses them
    seed: int = Field(0, ge=0, le=MAX_SEED)  # seed of the first repetition
    repeats: int = Field(1, ge=1, le=1000)  # repetitions with seeds seed, seed + 1, …; see `protocol_of`
    validation_folds: int = Field(5, ge=2, le=1000)  # groups of training subjects; early_stopping uses one of them
    bootstrap_draws: int = Field(2000, ge=100, le=100_000)  # samples of subjects from which intervals are computed
    oracle: bool = False  # also record the score of choosing the epoch on the test rows; it is not a result
    checkpoints: bool = False  # keep the weights of every fold
    device: DeviceName = "cpu"  # that trains networks; auto: the first of cuda, mps and cpu that this machine has
    task: LearningTask = "classes"  # units: recognise action units instead; use clips.scheme units to keep all clips

    @property
    def ignores_holdout(self) -> bool:
        """Whether `holdout` lists subjects although the protocol does not hold them out."""
        return bool(self.holdout) and self.protocol != "holdout"

    @field_validator("task")
    @classmethod
    def _check_task(cls, task: LearningTask, fields: ValidationInfo) -> LearningTask:
        for name in ("oracle", "checkpoints"):
            if task == "units" and fields.data.get(name):
                raise PydanticCustomError("task", "must be classes where {name} is true", {"name": name})
        return task


def protocol_of(model: "Model", config: TrainConfig) -> TrainConfig:
    """Return the protocol of a model. A model that ignores the seed has one repetition, because all would be the same.

    Args:
        model: the variant, or its name.
        config: the protocol of all models.

    Returns:
        The protocol with the number of repetitions that the model needs.
    """
    return config.model_copy(update={"repeats": 1}) if ignores_seed(model) else config


def ignores_seed(model: "Model") -> bool:
    """Return whether all repetitions of a model are the same; see `Estimator.ignores_seed`.

    Args:
        model: the variant, or its name.
    """
    from microfacial.models import Estimator
    from microfacial.models.lookup import find_model

    variant = find_model(model)
    return isinstance(variant, Estimator) and variant.ignores_seed


def plan_folds(samples: Samples, config: TrainConfig) -> list[FoldPlan]:
    """Plan the folds of a protocol for each repetition.

    A plan depends on the data, the seed of the repetition and the name of the fold. It does not depend on other folds.

    Args:
        samples: all rows of the data set. Labels, subjects and corpora are used, inputs are not.
        config: the protocol.

    Returns:
        Plans, sorted by repetition and then by name.

    Raises:
        ProtocolError: the data cannot be divided by the protocol.
    """
    return _make_plans(samples, _PROTOCOLS[config.protocol](samples, config), config)


def plan_groups(samples: Samples, groups: int, config: TrainConfig) -> list[FoldPlan]:
    """Plan folds that test groups of subjects in turn.

    Training rows are those of all other subjects, and under `loso` only those of the same corpus.

    Subjects are divided once, with the seed of the config, so repetitions differ only in the seeds of their folds.
    Under `loso` each corpus is divided separately.

    Args:
        samples: all rows of the data set.
        groups: number of groups, or fewer if there are fewer subjects. Under `loso` this is the number in each corpus.
        config: the protocol.

    Returns:
        Plans, sorted by repetition, then by corpus and group.

    Raises:
        ProtocolError: there are too few subjects.
    """
    per_corpus = config.protocol == "loso"
    folds = {}
    for corpus in np.unique(samples.corpora) if per_corpus else [""]:
        members = samples.corpora == corpus if per_corpus else np.full(len(samples.corpora), True)
        rows, where = np.flatnonzero(members), f"groups of subjects {corpus}".strip()
        _require_subjects(samples, members & (samples.subjects != samples.subjects[rows[0]]), where)
        group = divide_subjects(samples.labels[rows], samples.subjects[rows], groups, config.seed)
        for number in np.unique(group):
            test = np.zeros_like(members)
            test[rows[group == number]] = True
            _require_subjects(samples, members & ~test, where)
            folds[f"{corpus} group {number}".strip()] = test, members & ~test
    return _make_plans(samples, folds, config)


def scored_rows(samples: Samples, config: TrainConfig) -> NDArray[np.int64]:
    """Return the rows that each repetition of the protocol predicts exactly once.

    Args:
        samples: all rows of the data set.
        config: the protocol.

    Returns:
        Ascending row numbers, `(n,)`.
    """
    if config.protocol == "holdout":
        return np.flatnonzero(np.isin(samples.subjects, config.holdout))
    return np.arange(len(samples.subjects))


def find_held_out(subjects: Collection[str], config: TrainConfig) -> frozenset[str]:
    """Return the test subjects of the protocol `holdout`.

    Args:
        subjects: names of all subjects of the data set.
        config: the protocol.

    Returns:
        Names of subjects.

    Raises:
        ProtocolError: `train.holdout` is empty, or it names a subject that does not exist.
    """
    if not config.holdout:
        raise ProtocolError("train.holdout is empty. List the test subjects, such as casme2/sub03")
    unknown = sorted(set(config.holdout) - set(subjects))
    if unknown:
        raise ProtocolError(
            f"train.holdout: no clip belongs to {', '.join(unknown)}. Subjects are named <corpus>/<subject>, such as "
            f"{next(iter(subjects))}. clips.csv lists them{suggest(unknown[0], subjects)}"
        )
    return frozenset(config.holdout)


def divide_subjects(labels: NDArray[np.int64], subjects: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.int64]:
    """Divide rows into folds. Rows of a subject stay together, and each fold has about the same mixture of classes.

    Args:
        labels: class of each row, `(n,)`.
        subjects: subject of each row, `(n,)`.
        folds: largest number of folds. There are at most as many folds as subjects.
        seed: seed of the division.

    Returns:
        The fold of each row, `(n,)`, numbered 0, 1, … without gaps.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    count = min(folds, len(np.unique(subjects)))
    stratified = np.bincount(labels).max() >= count  # the splitter needs `count` clips of at least one class
    kind = StratifiedGroupKFold if stratified else GroupKFold
    splitter = kind(count, shuffle=True, random_state=seed)
    fold = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():  # rare classes are common in this field; the splitter handles them
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, rows) in enumerate(splitter.split(labels, labels, subjects)):
            fold[rows] = number
    return np.unique(fold, return_inverse=True)[1]  # the splitter may leave a fold empty


# --- protocols --------------------------------------------------------------------------------------------------------


def _leave_one_subject_out_per_corpus(samples: Samples, config: TrainConfig) -> _Folds:
    folds = {}
    for subject in np.unique(samples.subjects):
        test = samples.subjects == subject
        corpus = samples.corpora[test][0]
        training = (samples.corpora == corpus) & ~test
        _require_subjects(samples, training, f"leave-one-subject-out within {corpus}")
        folds[str(subject)] = test, training
    return folds


def _leave_one_subject_out(samples: Samples, config: TrainConfig) -> _Folds:
    folds = {}
    for subject in np.unique(samples.subjects):
        test = samples.subjects == subject
        _require_subjects(samples, ~test, "leave-one-subject-out")
        folds[str(subject)] = test, ~test
    return folds


def _leave_one_dataset_out(samples: Samples, config: TrainConfig) -> _Folds:
    corpora = np.unique(samples.corpora)
    if len(corpora) < 2:
        raise ProtocolError(
            f"train.protocol leave-one-dataset-out needs at least 2 corpora, but there is only {corpora[0]}. "
            "Add corpora to clips.corpora, or choose loso"
        )
    folds = {}
    for corpus in corpora:
        test = samples.corpora == corpus
        _require_subjects(samples, ~test, f"leave-one-dataset-out with {corpus} as the test corpus")
        folds[str(corpus)] = test, ~test
    return folds


def _hold_out_listed_subjects(samples: Samples, config: TrainConfig) -> _Folds:
    test = np.isin(samples.subjects, list(find_held_out(samples.subjects.tolist(), config)))
    _require_subjects(samples, ~test, "holdout")
    return {"holdout": (test, ~test)}


_PROTOCOLS: Mapping[str, Callable[[Samples, TrainConfig], _Folds]] = {
    "loso": _leave_one_subject_out_per_corpus,
    "composite": _leave_one_subject_out,
    "leave-one-dataset-out": _leave_one_dataset_out,
    "holdout": _hold_out_listed_subjects,
}


def _require_subjects(samples: Samples, training: _Mask, where: str) -> None:
    """Raise a ProtocolError if the training rows have too few subjects."""
    count = len(np.unique(samples.subjects[training]))
    if count < _MIN_TRAINING_SUBJECTS:
        raise ProtocolError(
            f"{where}: needs at least {_MIN_TRAINING_SUBJECTS} training subjects, one to train on and one to validate "
            f"on, found {count}. Add clips of more subjects, or choose another train.protocol"
        )


def _make_plans(samples: Samples, folds: _Folds, config: TrainConfig) -> list[FoldPlan]:
    """Return one plan for each fold and repetition. Training rows are divided into validation folds."""
    plans = []
    for repeat in range(config.seed, config.seed + config.repeats):
        for name, (test, training) in folds.items():
            seed = zlib.crc32(f"{repeat}:{name}".encode())
            rows = np.flatnonzero(training)
            labels, subjects = samples.labels[rows], samples.subjects[rows]
            plan = FoldPlan(
                name=name,
                repeat=repeat,
                seed=seed,
                test_rows=np.flatnonzero(test),
                training_rows=rows,
                validation_fold=divide_subjects(labels, subjects, config.validation_folds, seed),
            )
            plans.append(plan)
    return plans
