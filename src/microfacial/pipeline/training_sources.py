"""Find a finished training in `results/`, with the settings and hashes that it must have been made with."""

from microfacial.errors import ConfigError, StorageError, suggest
from microfacial.evaluation.protocols import protocol_of
from microfacial.models.lookup import list_models
from microfacial.pipeline.config import Config, require_classes
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import dvc_hash, file_hash
from microfacial.registry.training_source import TrainingSource, require_current


def open_training(project: Project, config: Config, model: str) -> TrainingSource:
    """Return a finished training, after checking that params.yaml still describes it.

    Args:
        project: the project.
        config: all sections of params.yaml.
        model: name of the variant.

    Raises:
        ConfigError: params.yaml does not have the model, its task is not `classes`, a setting differs from the
            training, or a tuned subject has no clip.
        StorageError: the model is not trained, or the clips, the faces, the flow or another setting of `train` have
            changed since.
    """
    if model not in config.models:
        hint, trained = suggest(model, config.models), ", ".join(config.models)
        if model not in list_models():
            raise ConfigError(f"{model!r} is not a model. Choose from {trained}, the models in {PARAMS}{hint}")
        raise ConfigError(
            f"{PARAMS}: models.{model} is missing. Add it and run `dvc repro`, or choose from {trained}{hint}"
        )
    require_classes(config, PARAMS)
    if not (project.results / "train" / model / "evaluation.json").exists():
        raise StorageError(f"{model} is not trained on {project.clips.name}. Run `dvc repro`")
    tuned = config.tuned.get(model)
    source = TrainingSource(
        results=project.results,
        params=PARAMS,
        model=model,
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        settings=config.models[model],
        faces=config.faces,
        flow=config.flow,
        train=protocol_of(model, config.train),
        tuned_on=tuned.subjects if tuned else (),
        clips_hash=file_hash(project.results / "clips.csv"),
        faces_hash=dvc_hash(project.results / "faces"),
        flow_hash=dvc_hash(project.results / "flow"),
    )
    require_current(source)
    return source
