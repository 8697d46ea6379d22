"""Location of MLflow's store. This module does not import MLflow, which takes seconds."""

import os
from pathlib import Path
from urllib.parse import quote

_TEMPORARY = (".dvc", "tmp", "exps")  # folder in a project where DVC checks out queued experiments


def store_owner(root: Path) -> Path:
    """Return the project that owns the store of a checkout.

    It is the checkout itself, unless DVC made the checkout for a queued experiment. DVC deletes such a checkout at the
    end of the experiment, so the experiment writes into the store of the project that queued it.

    Args:
        root: root folder of the checkout.
    """
    parts = root.resolve().parts
    for start in range(len(parts) - 2):
        if parts[start : start + 3] == _TEMPORARY:
            return Path(*parts[:start])
    return root.resolve()


def database_path(root: Path) -> Path:
    """Return the path of the project's own database.

    Args:
        root: root folder of the checkout.
    """
    return store_owner(root) / "mlruns" / "mlflow.db"


def store_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the address of the project's own database with its absolute path.

    Args:
        root: root folder of the checkout.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or _sqlite_uri(database_path(root))


def address_remedy(before: str = "") -> str:
    """Return the remedy for an address that does not lead to a store.

    Args:
        before: text in front of the remedy, such as `, or `.

    Returns:
        The remedy, or an empty text if MLFLOW_TRACKING_URI is not set.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return ""
    verb = "correct" if before else "Correct"
    return f"{before}{verb} MLFLOW_TRACKING_URI, or unset it to use the project's own store"


def local_address(path: Path) -> str:
    """Return the address of a local folder as MLflow stores it. MLflow decodes `%20` in it, like a URL.

    Args:
        path: an absolute path.
    """
    return str(path).replace("%", "%25")


def _sqlite_uri(database: Path) -> str:
    """Return the address of a database. SQLAlchemy decodes `%20` in it, and options follow a question mark."""
    path = str(database)
    return f"sqlite:///{quote(path) if set(path) & set('%?') else path}"


def is_served(uri: str) -> bool:
    """Return whether the address is a running MLflow server, which also has a page."""
    return uri.startswith(("http://", "https://"))
