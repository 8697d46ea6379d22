"""Experiments in MLflow: for the trainings of a data set and label scheme, their studies, and its action units.

A tag holds the name that this package gives, so that an experiment that a user renames in MLflow is still found.
"""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.tracking.failures import describe_deleted_experiment
from microfacial.tracking.location import local_address, store_owner
from microfacial.tracking.run_records import PRETRAININGS, is_study_experiment, is_unit_experiment
from microfacial.tracking.views import STUDY_VIEWS, TRAINING_VIEWS, UNIT_VIEWS, ViewName, view_tags

_NAME, _NOTE = "microfacial.experiment", "mlflow.note.content"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # opens MLflow's page on the table of runs
_TRAININGS = (
    "Trainings of micro-expression models. Each run is one model. Its metrics are scores over all held-out clips, such "
    "as `uf1` with the 95 % interval from `uf1_low` to `uf1_high`. Each nested run is one fold, named after its "
    "held-out subject or corpus. The runs are copies of the files in `results/`; `microfacial sync` writes missing "
    "runs. `microfacial ui` prints the addresses of sorted tables."
)
_UNITS = (
    "Trainings that recognise action units. Each run is one model. Its metrics are scores over all held-out clips: "
    "`f1` and `roc_area` are means over action units, and `AU4/f1` is the score of one unit. Each nested run is one "
    "fold. Its metrics count the units that move in its clips, those that the model recognises, and its false alarms. "
    "The runs are copies of the files in `results/`; `microfacial sync` writes missing runs."
)
_STUDIES = (
    "Studies that search settings of micro-expression models. Each run is one study, and each nested run is one trial. "
    "`inner_uf1` is the score of a trial on inner folds of the tuning subjects, which is what the study maximises. "
    "`microfacial study show` prints the same in the terminal."
)
_PRETRAININGS = (
    "Trainings of the motion prior by `microfacial pretrain`, on drawn motion only. The tag `microfacial.motion_prior` "
    "is the digest of the weights. Runs of models that use the motion prior have its digest as the parameter "
    "`motion_prior`."
)


def find_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """Return the experiment with a name, also if a user renamed it in MLflow or deleted it.

    Args:
        client: client of the store.
        name: name that this package gave to the experiment.

    Returns:
        The experiment, or None if there is none. An active experiment goes before a deleted one.
    """
    tagged = client.search_experiments(ViewType.ALL, filter_string=f"tags.`{_NAME}` = '{name}'")
    named = client.get_experiment_by_name(name)
    candidates = [*tagged, *([named] if named else [])]
    return min(candidates, key=lambda experiment: experiment.lifecycle_stage != "active", default=None)


def require_active(client: MlflowClient, experiment: Experiment, name: str) -> None:
    """Refuse an experiment that a user deleted.

    Args:
        client: client of the store.
        experiment: the experiment.
        name: name that this package gave to the experiment.

    Raises:
        PipelineError: the experiment was deleted.
    """
    if experiment.lifecycle_stage != "active":
        raise PipelineError(describe_deleted_experiment(client.tracking_uri, experiment.experiment_id, name))


def ensure_experiment(client: MlflowClient, name: str, root: Path) -> str:
    """Return the id of an experiment. Create the experiment if it does not exist, and write its missing tags.

    Args:
        client: client of the store.
        name: name of the experiment.
        root: root folder of the project. Artifacts of a local store are written below it.

    Raises:
        PipelineError: the experiment was deleted.
    """
    experiment = find_experiment(client, name) or _create(client, name, root)
    require_active(client, experiment, name)
    number = str(experiment.experiment_id)
    note, views = _describe(name)
    described = {_NAME: name, _NOTE: note}
    missing = {tag: text for tag, text in described.items() if tag not in experiment.tags}
    for tag, text in {**missing, **view_tags(views)}.items():
        if experiment.tags.get(tag) != text:
            client.set_experiment_tag(number, tag, text)
    return number


def _describe(name: str) -> tuple[str, tuple[ViewName, ...]]:
    """Return the note and the views of an experiment."""
    if name == PRETRAININGS:
        return _PRETRAININGS, ()
    if is_study_experiment(name):
        return _STUDIES, STUDY_VIEWS
    return (_UNITS, UNIT_VIEWS) if is_unit_experiment(name) else (_TRAININGS, TRAINING_VIEWS)


def _create(client: MlflowClient, name: str, root: Path) -> Experiment:
    local = client.tracking_uri.startswith("sqlite:")
    location = local_address(store_owner(root) / "mlruns" / "artifacts") if local else None
    try:
        number = client.create_experiment(name, location, {**_KIND, _NAME: name})
    except MlflowException:  # another process, such as a queued experiment, may have created it
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return experiment
    return client.get_experiment(number)
