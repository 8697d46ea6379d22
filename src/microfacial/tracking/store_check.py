"""Check MLflow's store for `microfacial doctor`: what the commands of a data set need from it."""

from pathlib import Path

from mlflow import MlflowClient

from microfacial.errors import StorageError, hide_password
from microfacial.tracking.experiments import find_experiment, require_active
from microfacial.tracking.location import store_owner
from microfacial.tracking.model_versions import Alias, Registry, registered_name
from microfacial.tracking.run_records import experiment_name

_ALIASES: tuple[Alias, ...] = ("champion", "challenger")


def check_store(client: MlflowClient, root: Path, dataset: str, scheme: str) -> str:
    """Return the number of experiments, where runs and artifacts are stored, and the champion.

    Args:
        client: client of the store.
        root: root folder of the project.
        dataset: name of the data set.
        scheme: label scheme.

    Raises:
        PipelineError: an experiment of the data set was deleted.
        StorageError: the files of the champion or the challenger are missing.
    """
    for name in (
        experiment_name(dataset, scheme),
        experiment_name(dataset, scheme, studies=True),
        experiment_name(dataset, scheme, task="units"),
    ):
        experiment = find_experiment(client, name)
        if experiment is not None:
            require_active(client, experiment, name)
    registry = Registry(client, registered_name(dataset, scheme))
    targets = {alias: target for alias in _ALIASES if (target := registry.find(alias))}
    for target in targets.values():
        fault = registry.find_missing_files(target.version)
        if fault:
            raise StorageError(fault)
    local = client.tracking_uri.startswith("sqlite:")
    artifacts = f", artifacts of new experiments in {store_owner(root) / 'mlruns' / 'artifacts'}" if local else ""
    versions = "".join(f", {alias} is {target.title}" for alias, target in targets.items())
    count = len(client.search_experiments())
    return f"{count} experiments, runs in {hide_password(client.tracking_uri)}{artifacts}{versions}"
