"""Open a registered version as a model that answers about films."""

import logging
import os
import re
from pathlib import Path

from microfacial.errors import ConfigError, PipelineError
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.choose_model import open_bundle
from microfacial.registry.versions import choose_version, has_current_code
from microfacial.tracking.location import database_path
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

_LOG = logging.getLogger(__name__)
_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>champion|challenger)|/(?P<version>[1-9][0-9]{0,6}))")


def open_address(address: str, root: Path, cache: Path) -> AnsweringModel:
    """Open a version by its address.

    Args:
        address: `models:/NAME@champion`, `models:/NAME@challenger` or `models:/NAME/VERSION`.
        root: root folder of the project, which has the store if MLFLOW_TRACKING_URI is not set.
        cache: folder for versions that are downloaded from a remote store.

    Raises:
        ConfigError: the text is no such address.
        PipelineError: there is no such version, or MLflow failed.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigError(
            f"{address} is not an address of a version. Give models:/NAME@champion, models:/NAME@challenger or "
            "models:/NAME/VERSION, such as models:/demo.casme2-4/3"
        )
    if not os.environ.get("MLFLOW_TRACKING_URI") and not database_path(root).exists():
        raise PipelineError(
            f"{address}: there is no registry in {root.resolve()}. Run the command in the root folder of a project, or "
            "set MLFLOW_TRACKING_URI"
        )
    with mlflow_errors_as_pipeline_errors(root):
        registry = Registry(connect(root), match["name"])
        alias: Alias = "challenger" if match["alias"] == "challenger" else "champion"
        record = choose_version(registry, alias, int(match["version"]) if match["version"] else None)
        return open_record(registry, record, cache)


def open_record(registry: Registry, record: ModelVersionRecord, cache: Path) -> AnsweringModel:
    """Open a version. Warns if the code in the version differs from this package.

    Args:
        registry: the registered model.
        record: its version.
        cache: folder for versions that are downloaded from a remote store.

    Raises:
        StorageError: the files of the version are missing or damaged.
        ConfigError: another version of microfacial wrote its settings.
    """
    folder = registry.fetch(record.version, cache)
    model = open_bundle(folder, f"{registry.name}, version {record.version}")
    if not has_current_code(folder):
        _LOG.warning(
            "%s was registered with other code than this package has, which may process clips differently. To run the "
            "version's own code, use `mlflow models predict -m %s`",
            record.title,
            folder,
        )
    return model
