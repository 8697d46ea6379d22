"""Origin of results: the git commit and the versions of the data."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

from microfacial.errors import DamagedError
from microfacial.files import refuse_damaged
from microfacial.yaml_parser import parse_yaml


def git_tags() -> dict[str, str]:
    """Return tags for an MLflow run: the commit, whether tracked files have changes, and the DVC stage and experiment.

    The stage and the experiment are present only if DVC started this process.
    """
    tags = {"microfacial.git_commit": _git("rev-parse", "HEAD"), "microfacial.git_dirty": str(_is_dirty()).lower()}
    dvc = {
        "microfacial.dvc_stage": os.environ.get("DVC_STAGE"),
        "microfacial.dvc_exp": os.environ.get("DVC_EXP_NAME"),
    }
    return tags | {name: value for name, value in dvc.items() if value}


def data_version() -> str:
    """Return DVC's hash of data/, or `unversioned` if data.dvc does not exist.

    Raises:
        StorageError: data.dvc is damaged.
    """
    path = Path("data.dvc")
    if not path.exists():
        return "unversioned"
    with refuse_damaged(path, "Restore it with `git checkout data.dvc`, or run `dvc add data`"):
        content = parse_yaml(path.read_bytes())
        try:
            return str(content["outs"][0]["md5"])
        except (IndexError, KeyError, TypeError):
            raise DamagedError("it has no outs with an md5") from None


def dvc_hash(folder: Path) -> str:
    """Return DVC's hash of a folder without subfolders: the MD5 of the list of its files' MD5s.

    Args:
        folder: an existing folder.
    """
    entries = [{"md5": file_hash(path), "relpath": path.name} for path in sorted(folder.iterdir())]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def file_hash(path: Path) -> str:
    """Return DVC's hash of a file, its MD5.

    Args:
        path: an existing file.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def is_tracked_by_git(path: Path) -> bool:
    """Return whether git would add a file: the path is in a git checkout and is not ignored.

    Args:
        path: a path. Neither the file nor its folder need to exist.
    """
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    command = ["git", "-C", str(folder), "check-ignore", "--quiet", str(path.absolute())]
    # Exit code 0 means ignored, 1 not ignored, 128 outside of any checkout.
    return subprocess.run(command, capture_output=True, check=False).returncode == 1


def _is_dirty() -> bool:
    """Return whether tracked files have changes, except for files that the pipeline itself writes while it runs."""
    written_by_pipeline = (":(exclude)dvc.lock", ":(exclude)results")
    return bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *written_by_pipeline))


def _git(*arguments: str) -> str:
    """Return the output of git, or `unknown` if git fails, as it does outside of a checkout."""
    process = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return process.stdout.strip() if process.returncode == 0 else "unknown"
