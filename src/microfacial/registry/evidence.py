"""Evidence: the predictions that a version's training procedure made for clips of test subjects, and their context.

The predictions come from the folds of the protocol. The registered model itself was trained on every subject, so it has
no test clips of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from shutil import copy

from microfacial.datasets.clip_table import digest_data
from microfacial.errors import DamagedError
from microfacial.evaluation.result_files import read_predictions
from microfacial.evaluation.significance import count_by_subject
from microfacial.files import digest, refuse_damaged, write_json
from microfacial.inference.evidence_files import EVIDENCE_FACTS, RESULT_FILES, read_evidence_facts
from microfacial.metrics import uf1
from microfacial.records import Predictions
from microfacial.registry.training_source import TrainingSource
from microfacial.tracking.model_versions import ModelVersionRecord

_NOTE = (
    "predictions and scores of the training procedure under its protocol; the registered model was trained on all "
    "subjects and has no test clips"
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The predictions of a version's training procedure under the protocol, and the data that they are for.

    Attributes:
        name: name of the version in error messages.
        dataset: name of the data set.
        scheme: name of the label scheme.
        data: digest of the clips with their labels, moments and frames; see `datasets.clip_table.digest_data`.
        tuned_on: subjects whose clips a study used to choose the settings, such as casme2/sub03.
        predictions: predictions for all test rows of the protocol.
    """

    name: str
    dataset: str
    scheme: str
    data: str
    tuned_on: tuple[str, ...]
    predictions: Predictions


@dataclass(frozen=True, kw_only=True)
class UntunedScore:
    """The score on the subjects that no study used to choose the settings.

    Attributes:
        uf1: pooled UF1.
        subjects: number of these subjects.
        clips: number of their clips.
    """

    uf1: float
    subjects: int
    clips: int


def gather_evidence(source: TrainingSource) -> Evidence:
    """Return the evidence of a training in `results/`.

    Args:
        source: the training.

    Raises:
        StorageError: a file is missing or damaged.
    """
    return Evidence(
        name=source.model,
        dataset=source.dataset,
        scheme=source.scheme,
        data=digest_data(source.read_clips()),
        tuned_on=source.tuned_on,
        predictions=read_predictions(source.folder, model=source.model),
    )


def write_evidence(evidence: Evidence, training: Path, study: str, folder: Path) -> None:
    """Write evidence to a new folder in a version, as `read_evidence` reads it.

    Args:
        evidence: the evidence.
        training: the folder that the `train` stage wrote. Its predictions, scores, folds and settings are copied.
        study: name of the study that chose the settings. Empty without a study.
        folder: the folder to create.
    """
    folder.mkdir()
    for name in RESULT_FILES:
        copy(training / name, folder)
    facts = {
        "note": _NOTE,
        "model": evidence.predictions.model,
        "dataset": evidence.dataset,
        "scheme": evidence.scheme,
        "data": evidence.data,
        "tuned_on": evidence.tuned_on,
        "study": study,
        "files": {name: digest([folder / name]) for name in RESULT_FILES},
    }
    write_json(folder / EVIDENCE_FACTS, facts)


def read_evidence(folder: Path, version: ModelVersionRecord) -> Evidence:
    """Read the evidence in a version, and check it against MLflow's record of the version.

    Args:
        folder: a folder that `write_evidence` wrote.
        version: the version.

    Returns:
        The evidence.

    Raises:
        StorageError: a file is missing or damaged, or contradicts the record.
    """
    remedy = f"It belongs to the evidence of {version.title}. Run `microfacial register MODEL`"
    facts = read_evidence_facts(folder, remedy)
    with refuse_damaged(folder / EVIDENCE_FACTS, remedy):
        for name, stored, recorded in (
            ("dataset", facts.dataset, version.dataset),
            ("scheme", facts.scheme, version.scheme),
            ("data", facts.data, version.origin.get("data", facts.data)),
            ("tuned_on", sorted(facts.tuned_on), sorted(version.tuned_on)),
        ):
            if stored != recorded:
                raise DamagedError(f"{name} is {stored!r}, but MLflow's record of the version has {recorded!r}")
    return Evidence(
        name=version.title,
        dataset=facts.dataset,
        scheme=facts.scheme,
        data=facts.data,
        tuned_on=facts.tuned_on,
        predictions=read_predictions(folder, remedy),
    )


def pooled_uf1(predictions: Predictions) -> float:
    """Return the UF1 of the predictions of all folds together, averaged over repetitions.

    Args:
        predictions: predictions for some or all test rows of a protocol.
    """
    return float(uf1(count_by_subject(predictions).sum(axis=1)).mean())


def score_untuned_subjects(evidence: Evidence) -> UntunedScore | None:
    """Score the subjects that no study used to choose the settings.

    Args:
        evidence: the evidence of a version.

    Returns:
        The score, or None if a study used all subjects.
    """
    subjects = sorted(set(evidence.predictions.subjects.tolist()) - set(evidence.tuned_on))
    if not subjects:
        return None
    predictions = evidence.predictions.of_subjects(subjects)
    return UntunedScore(uf1=pooled_uf1(predictions), subjects=len(subjects), clips=len(predictions.clips))
