"""Read and check evidence.json, which says what the predictions and scores in a version belong to.

`registry.evidence` writes it. It is read here too, because this package does not import the registry.
"""

from dataclasses import dataclass, field
from pathlib import Path

from microfacial.errors import DamagedError
from microfacial.files import digest, read_json, refuse_damaged

RESULT_FILES = ("predictions.csv", "evaluation.json", "folds.csv", "settings.json")
"""Files of a training that a version contains."""

EVIDENCE_FACTS = "evidence.json"


@dataclass(frozen=True, kw_only=True)
class EvidenceFacts:
    """Content of evidence.json.

    Attributes:
        dataset: see `registry.evidence.Evidence`.
        scheme: see `registry.evidence.Evidence`.
        data: see `registry.evidence.Evidence`.
        tuned_on: see `registry.evidence.Evidence`.
        note: explanation for readers.
        model: name of the variant.
        study: name of the study that chose the settings. Empty without a study.
        files: digests of the files that were copied from the training, by name.
    """

    dataset: str
    scheme: str
    data: str
    tuned_on: tuple[str, ...]
    note: str = ""
    model: str = ""
    study: str = ""
    files: dict[str, str] = field(default_factory=dict)


def read_evidence_facts(folder: Path, remedy: str) -> EvidenceFacts:
    """Read evidence.json, and check the digests of the files beside it.

    Args:
        folder: folder of the evidence in a version.
        remedy: what to do if a file is damaged.

    Returns:
        The content.

    Raises:
        StorageError: a file is missing or damaged.
    """
    path = folder / EVIDENCE_FACTS
    facts = read_json(path, EvidenceFacts, remedy)
    with refuse_damaged(path, remedy):
        for file, value in facts.files.items():
            if file not in RESULT_FILES or digest([folder / file]) != value:
                raise DamagedError(f"the digest of {file} is not the one in {EVIDENCE_FACTS}")
    return facts
