"""Read the results of all models that params.yaml lists, and draw their leaderboard."""

from pathlib import Path

from rich.table import Table

from microfacial import files
from microfacial.errors import ConfigError, DamagedError
from microfacial.evaluation.model_results import read_model_results
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.unit_files import read_ranked_units
from microfacial.pipeline.project import PARAMS, Project
from microfacial.report.leaderboard import draw_leaderboard
from microfacial.report.unit_results import draw_unit_leaderboard
from microfacial.settings import read_section, read_sections
from microfacial.tracking.same_features import require_same_features


def list_configured_models() -> list[str]:
    """Return the names of the models in params.yaml.

    Raises:
        ConfigError: the section `models` is missing or wrong.
    """
    models = read_sections(PARAMS).get("models")
    if not isinstance(models, dict):
        raise ConfigError(f"{PARAMS}: models must map names of models to their settings")
    return list(models)


def read_leaderboard(project: Project) -> Table:
    """Return the leaderboard of all models that params.yaml lists, with their training times on this machine.

    Args:
        project: The data set.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ProtocolError: Models were trained on different clips, faces or flow.
        ConfigError: The section `train` of params.yaml is wrong.
    """
    models, train = list_configured_models(), read_section(PARAMS, "train", TrainConfig)
    paths = {model: project.state / "seconds" / f"{model}.json" for model in models}
    seconds = {model: _read_seconds(path) for model, path in paths.items() if path.exists()}
    training = project.results / "train"
    require_same_features([training / model for model in models])
    if train.task == "units":
        return draw_unit_leaderboard(project.clips.name, read_ranked_units(training, models), seconds)
    results = read_model_results(training, models, train)
    return draw_leaderboard(project.clips.name, project.clips.scheme, results, seconds)


def _read_seconds(path: Path) -> float:
    """Return the duration of a training on this machine."""
    remedy = f"Delete it; without it, {path.stem} has no time in the leaderboard"
    seconds = files.read_json(path, float, remedy)
    with files.refuse_damaged(path, remedy):
        if seconds < 0:
            raise DamagedError(f"{seconds} seconds")
    return seconds
