"""Open the model that a user names: the motion prior, the folder of a bundle or version, or the checkpoint of a fold.

Addresses of registered versions are in `registry.open_version`, because this package does not import the registry.
"""

from pathlib import Path

from microfacial.datasets.label_schemes import SCHEMES
from microfacial.errors import ConfigError, DamagedError, StorageError
from microfacial.evaluation.result_files import read_evaluation
from microfacial.files import refuse_damaged
from microfacial.inference.answering_model import PRIOR, AnsweringModel, open_prior
from microfacial.inference.bundle import EVIDENCE, find_bundle, read_bundle
from microfacial.inference.evidence_files import read_evidence_facts
from microfacial.inference.film_answer import MISUSE, ModelNote
from microfacial.inference.predict import TrainedModel, load_fold
from microfacial.records import PROTOCOL_NAMES, Evaluation


def open_model(name: str, scheme: str | None = None) -> AnsweringModel:
    """Open a model by its name or path.

    Args:
        name: `motion_prior`, the folder of a bundle or of a registered version, or a file in the folder `checkpoints`
            of a training.
        scheme: label scheme of the motion prior. Other models have the classes of their training.

    Returns:
        The model.

    Raises:
        ConfigError: a scheme is given for another model, or another version of microfacial wrote the settings.
        StorageError: there is no model at the path, or its files are damaged.
    """
    if name == PRIOR:
        return open_prior() if scheme is None else open_prior(scheme)
    if scheme is not None:
        raise ConfigError(f"--scheme {scheme} is for {PRIOR} only. {name} has the classes of its training")
    path = Path(name)
    if path.suffix == ".npz":
        return open_checkpoint(path)
    return open_bundle(path)


def open_bundle(folder: Path, version: str = "") -> AnsweringModel:
    """Open a bundle, without a project and without MLflow.

    Args:
        folder: folder of a bundle, or of a registered version that contains a bundle.
        version: name of the version in outputs. Empty for the path of the folder.

    Returns:
        The model. Its note has the scores of the version, if the folder contains its evidence.

    Raises:
        StorageError: the folder contains no bundle, or the bundle is damaged, or its evidence is damaged or belongs to
            another model.
        ConfigError: another version of microfacial wrote its settings.
    """
    inner = find_bundle(folder)
    if not inner.is_dir() and not (folder / "bundle.json").exists():
        raise StorageError(
            f"{folder} contains no bundle. Give --model the folder that contains bundle.json, the checkpoint of a fold "
            f"(.npz), models:/NAME@champion, models:/NAME/VERSION or {PRIOR}"
        )
    model = read_bundle(inner if inner.is_dir() else folder)
    evaluation = _read_scores_of(model, folder / EVIDENCE) if (folder / EVIDENCE).exists() else None
    return as_answering(model, version or f"bundle {folder}", evaluation)


def _read_scores_of(model: TrainedModel, evidence: Path) -> Evaluation:
    """Read the scores in the evidence of a version. Refuse files that were changed, and scores of another model."""
    remedy = f"Copy the version again from its source, or delete {evidence} to use the model without scores"
    read_evidence_facts(evidence, remedy)
    evaluation = read_evaluation(evidence, remedy, model.model)
    with refuse_damaged(evidence / "evaluation.json", remedy):
        if evaluation.classes != model.classes:
            raise DamagedError(f"it has the classes {', '.join(evaluation.classes)}, not those of the model")
    return evaluation


def open_checkpoint(path: Path) -> AnsweringModel:
    """Open the model of one fold.

    Args:
        path: a file in the folder `checkpoints` of a training.

    Raises:
        StorageError: one of the training's files is missing or damaged.
        ConfigError: another version of microfacial wrote the settings.
    """
    model = load_fold(path)
    return as_answering(model, f"fold {path.stem} in {path.parent.parent}", read_evaluation(path.parent.parent))


def as_answering(model: TrainedModel, version: str, evaluation: Evaluation | None) -> AnsweringModel:
    """Return a trained model with its note.

    Args:
        model: the model.
        version: which weights, in words.
        evaluation: scores of its training; None if unknown.
    """
    corpora = ", ".join(sorted(evaluation.corpora)) if evaluation else ""
    schemes = [name for name, scheme in SCHEMES.items() if scheme.classes == model.classes]
    note = ModelNote(
        name=model.model,
        version=version,
        scheme=schemes[0] if len(schemes) == 1 else "",  # several schemes can have the same classes
        classes=model.classes,
        trained_on=f"annotated clips of {corpora}" if corpora else "unknown: the bundle has no evidence",
        scores=_describe_scores(evaluation) if evaluation else "",
        prohibited=MISUSE,
        calibration=_describe_calibration(model.temperature),
    )
    return AnsweringModel(
        note=note,
        faces=model.faces,
        flow=model.flow,
        recognise=model.predict_store,
        on_device=lambda device: model.to(device).predict_store,
        weigh_regions=model.weigh_regions,
        temperature=model.temperature or 1.0,
    )


def _describe_calibration(temperature: float | None) -> str:
    if temperature is None:
        return "none: only registered versions have a temperature"
    if temperature == 1.0:
        return "none: a temperature did not improve the predictions for held-out subjects"
    return f"temperature {temperature:g}, fitted on predictions for held-out subjects; none for given moments"


def _describe_scores(evaluation: Evaluation) -> str:
    score = evaluation.overall
    uf1, uar = (
        f"{name} {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
        for name, value, (low, high) in (
            ("UF1", score.uf1, evaluation.uf1_interval),
            ("UAR", score.uar, evaluation.uar_interval),
        )
    )
    note = f". {evaluation.note}" if evaluation.note else ""
    return (
        f"of the training procedure on held-out clips, {PROTOCOL_NAMES[evaluation.protocol]}, {score.clips} clips of "
        f"{score.subjects} subjects: {uf1}, {uar}{note}"
    )
