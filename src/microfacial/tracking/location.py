"""Where MLflow's store is; without MLflow, which takes seconds to import."""

import os
import re
from pathlib import Path

_TEMPORARY = (".dvc", "tmp", "exps")  # where DVC checks out the experiments of a queue, below the project


def project_of(root: Path) -> Path:
    """The project whose store a checkout writes into: its own, or, of an experiment's, the one that will keep it.

    DVC deletes the checkout of a queued experiment when that ends.
    """
    parts = root.resolve().parts
    for start in range(len(parts) - 2):
        if parts[start : start + 3] == _TEMPORARY:
            return Path(*parts[:start])
    return root.resolve()


def database(root: Path) -> Path:
    """The project's own database."""
    return project_of(root) / "mlruns" / "mlflow.db"


def store_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, or the project's own database by its absolute path."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database(root)}"


def is_served(uri: str) -> bool:
    """Whether a server that runs elsewhere has the store, and its page."""
    return uri.startswith(("http://", "https://"))


def without_password(uri: str) -> str:
    """A store's address, or a text that has it, without who opens it, to be shown."""
    return re.sub(r"//[^/\s]*@", "//", uri)
