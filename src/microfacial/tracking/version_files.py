"""Files of registered versions: find them, download them, and say when they are missing."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from microfacial.errors import StorageError
from microfacial.tracking.failures import is_missing


def fetch_files(client: MlflowClient, name: str, version: int, cache: Path) -> Path:
    """Return the folder of a version's files. Remote files are downloaded once, because versions never change.

    Args:
        client: client of the store.
        name: name of the registered model.
        version: number of the version.
        cache: folder for downloaded files.

    Raises:
        StorageError: the files are missing.
    """
    uri = client.get_model_version_download_uri(name, str(version))
    place = hashlib.sha256(f"{client.tracking_uri} {uri}".encode()).hexdigest()[:8]
    target = cache / name / f"{version}-{place}"  # other stores use the same numbers
    if target.exists():
        return target
    try:
        if _is_local(uri):
            return Path(download_artifacts(artifact_uri=uri, tracking_uri=client.tracking_uri))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".scratch-") as scratch:
            shutil.move(
                download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=client.tracking_uri), target
            )
    except (MlflowException, RequestException, FileNotFoundError, NotADirectoryError) as error:
        if not is_missing(error):
            raise
        raise StorageError(describe_missing_files(name, version, uri)) from None
    return target


def find_missing_files(client: MlflowClient, name: str, version: int) -> str:
    """Return the fault and its remedy if the files of a version are missing, and otherwise an empty text.

    Only a local folder is looked at. A server would have to send all files.

    Args:
        client: client of the store.
        name: name of the registered model.
        version: number of the version.
    """
    uri = client.get_model_version_download_uri(name, str(version))
    folder = Path(unquote(urlparse(uri).path) if uri.startswith("file:") else unquote(uri))
    if not _is_local(uri) or (folder.is_dir() and any(folder.iterdir())):
        return ""
    return describe_missing_files(name, version, str(folder))


def describe_missing_files(name: str, version: int, place: str) -> str:
    """Return one line about a version without files.

    Args:
        name: name of the registered model.
        version: number of the version.
        place: where the files were.
    """
    return (
        f"the files of {name}, version {version}, are missing in {place}. Restore them from a copy, or run "
        "`microfacial register MODEL` with a trained model, and then `microfacial promote --force REASON`"
    )


def _is_local(uri: str) -> bool:
    return uri.startswith(("/", "file:"))
