"""Register a finished training: make a bundle, attach evidence and a model card, and upload it as a version."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from microfacial import __version__
from microfacial.errors import ProtocolError, StorageError
from microfacial.evaluation.result_files import read_evaluation, read_predictions
from microfacial.evaluation.significance import compare_predictions
from microfacial.files import write_text
from microfacial.inference.bundle import BUNDLE, CARD, EVIDENCE, read_bundle, write_bundle
from microfacial.inference.example_input import make_example_input
from microfacial.inference.predict import Checkpoint
from microfacial.inference.temperature import choose_temperature
from microfacial.records import Comparison
from microfacial.registry.decisions import registry_lock
from microfacial.registry.evidence import Evidence, gather_evidence, score_untuned_subjects, write_evidence
from microfacial.registry.model_card import CardFacts, write_card
from microfacial.registry.refit import read_fold_checkpoints, refit
from microfacial.registry.training_source import TrainingSource
from microfacial.tracking.model_versions import ModelVersionRecord, Registry, find_training, registered_name
from microfacial.tracking.pyfunc import requirements, save_model
from microfacial.tracking.run_records import read_identity
from microfacial.tracking.same_features import require_same_features
from microfacial.tracking.store import connect

_LOG = logging.getLogger(__name__)
_MAX_DESCRIPTION = 4900  # characters; every database accepts this length
_MAKE_CHECKPOINTS: Mapping[str, Callable[[TrainingSource], list[Checkpoint]]] = {
    "refit": refit,
    "ensemble": read_fold_checkpoints,
}


@dataclass(frozen=True, kw_only=True)
class RegistrationRequest:
    """A training to register, and the facts about its origin.

    Attributes:
        source: the training. `require_current` must accept it.
        bundle: `refit` or `ensemble`, as `registry.bundle` in params.yaml.
        baseline: name of the variant that the model card compares with.
        study: name of the study that chose the settings. Empty without a study.
        trial: number of the trial with these settings, as text. Empty if it is not known.
        data_version: DVC's hash of the data, or "unversioned".
        git_commit: commit of the working tree.
        git_dirty: "true" if the working tree has uncommitted changes, and "false" otherwise.
    """

    source: TrainingSource
    bundle: str
    baseline: str
    study: str
    trial: str
    data_version: str
    git_commit: str
    git_dirty: str


def register_training(request: RegistrationRequest, scratch: Path, root: Path) -> ModelVersionRecord:
    """Register a training as a new version. The alias `challenger` then points to it.

    Args:
        request: the training and its origin.
        scratch: folder for temporary files. It is created if needed.
        root: folder of the project.

    Returns:
        The new version.

    Raises:
        StorageError: a file of the training is missing or damaged.
        PipelineError: the tracking store cannot be opened.
    """
    source = request.source
    client = connect(root)
    registry = Registry(client, registered_name(source.dataset, source.scheme))
    evidence = gather_evidence(source)
    record = ModelVersionRecord(
        name=registry.name,
        version=0,  # the registry assigns the number
        model=source.model,
        settings=source.settings.model_dump(mode="json"),
        dataset=source.dataset,
        scheme=source.scheme,
        protocol=source.train.protocol,
        tuned_on=source.tuned_on,
        run_id=find_training(client, read_identity(source.folder)),
        origin=_describe_origin(request, evidence),
    )
    if not record.run_id:
        _LOG.warning(
            "register: MLflow has no run of this training, so the version links to none. Run `microfacial sync` and "
            "register the model again to link them"
        )
    card = _make_card(request, evidence)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        folder = Path(temporary) / "model"
        _write_model(request, evidence, folder, Path(temporary) / BUNDLE.name)
        write_text(folder / CARD, card)
        write_evidence(evidence, source.folder, request.study, folder / EVIDENCE)
        with registry_lock(root):
            version = registry.add(folder, record, _shorten(card), root)
            registry.set_alias("challenger", version.version)
    return version


def _write_model(request: RegistrationRequest, evidence: Evidence, folder: Path, bundle: Path) -> None:
    """Write the bundle, and then MLflow's folder with a copy of it.

    The temperature comes from the predictions of the protocol, in which each clip was predicted by a model that was not
    trained on its subject.
    """
    source = request.source
    checkpoints = _MAKE_CHECKPOINTS[request.bundle](source)
    write_bundle(bundle, source.sections, source.classes, checkpoints, choose_temperature(evidence.predictions))
    model = read_bundle(bundle)
    save_model(folder, bundle, model.classes, make_example_input(model))
    assert (folder / BUNDLE).is_dir(), "MLflow copies artifacts to this folder"


def _describe_origin(request: RegistrationRequest, evidence: Evidence) -> dict[str, str]:
    """Return the origin of a version by the names in `tracking.model_versions.ORIGIN`."""
    return {
        "bundle": request.bundle,
        "data": evidence.data,
        "data_version": request.data_version,
        "flow": request.source.flow_hash,
        "git_commit": request.git_commit,
        "git_dirty": request.git_dirty,
        "study": request.study,
        "trial": request.trial,
        "package": __version__,
    }


def _make_card(request: RegistrationRequest, evidence: Evidence) -> str:
    source = request.source
    dirty = " with uncommitted changes" if request.git_dirty == "true" else ""
    facts = CardFacts(
        model=source.model,
        dataset=source.dataset,
        scheme=source.scheme,
        bundle=request.bundle,
        tuned_on=source.tuned_on,
        study=request.study or None,
        untuned=score_untuned_subjects(evidence) if request.study else None,
        versions={
            "microfacial": __version__,
            "commit": request.git_commit + dirty,
            "data": f"{evidence.data} (DVC: {request.data_version})",
            "flow": source.flow_hash,
            "packages": ", ".join(requirements()),
        },
    )
    comparison = _compare_with_baseline(request, evidence)
    return write_card(facts, read_evaluation(source.folder), source.read_clips(), comparison)


def _compare_with_baseline(request: RegistrationRequest, evidence: Evidence) -> Comparison | None:
    """Return the paired difference to the baseline, or None if the baseline is not trained on the same clips."""
    source = request.source
    folder = source.results / "train" / request.baseline
    if source.model == request.baseline or not (folder / "evaluation.json").exists():
        return None
    try:
        require_same_features([source.folder, folder])
        baseline = read_predictions(folder)
        return compare_predictions(evidence.predictions, baseline, source.train.bootstrap_draws, source.train.seed)
    except (ProtocolError, StorageError) as error:
        _LOG.warning("register: the model card has no comparison with %s (%s)", request.baseline, error)
        return None


def _shorten(card: str) -> str:
    """Return the card as a description of the version. The file in the version is complete."""
    if len(card) <= _MAX_DESCRIPTION:
        return card
    return f"{card[:_MAX_DESCRIPTION]}…\n\nThe complete card is the file `{CARD}` in the version."
