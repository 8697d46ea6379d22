"""Origin of results: the git commit, and DVC's hashes of files."""

import hashlib
import json
import os
from pathlib import Path

from microfacial.errors import PipelineError
from microfacial.files import refuse_damaged
from microfacial.pipeline.tools import reason, run_git

_UNKNOWN = "unknown"


def git_tags() -> dict[str, str]:
    """Return tags for an MLflow run: the commit, whether tracked files have changes, and the DVC stage and experiment.

    The commit and the changes are `unknown` outside of a checkout and where git is not installed. The stage and the
    experiment are present only if DVC started this process.
    """
    tags = {"microfacial.git_commit": _git("rev-parse", "HEAD"), "microfacial.git_dirty": _find_changes()}
    dvc = {
        "microfacial.dvc_stage": os.environ.get("DVC_STAGE"),
        "microfacial.dvc_exp": os.environ.get("DVC_EXP_NAME"),
    }
    return tags | {name: value for name, value in dvc.items() if value}


def dvc_hash(folder: Path) -> str:
    """Return DVC's hash of a folder without subfolders: the MD5 of the list of its files' MD5s.

    Args:
        folder: the folder.

    Raises:
        StorageError: the folder or a file in it is missing or cannot be read.
    """
    with refuse_damaged(folder):
        paths = sorted(folder.iterdir())
    entries = [{"md5": file_hash(path), "relpath": path.name} for path in paths]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def file_hash(path: Path) -> str:
    """Return DVC's hash of a file, its MD5.

    Args:
        path: the file.

    Raises:
        StorageError: the file is missing or cannot be read.
    """
    with refuse_damaged(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def is_tracked_by_git(path: Path) -> bool:
    """Return whether git would add a file: the path is in a git checkout and is not ignored.

    Args:
        path: a path. Neither the file nor its folder need to exist.

    Raises:
        PipelineError: the path is in a checkout, and git is not installed or does not answer.
    """
    parents = [parent for parent in path.absolute().parents if parent.is_dir()]
    if not any((parent / ".git").exists() for parent in (*parents, *path.resolve().parents)):
        return False
    done = run_git("-C", str(parents[0]), "check-ignore", "--quiet", str(path.absolute()))
    if done.returncode not in (0, 1):  # 0: ignored, 1: not ignored
        raise PipelineError(
            f"git cannot tell whether it ignores {path}: {reason(done.stderr)}. Repair the checkout, or choose a "
            "folder outside of it"
        )
    return done.returncode == 1


def _find_changes() -> str:
    """Return `true` if tracked files have changes, except for files that the pipeline itself writes while it runs."""
    written_by_pipeline = (":(exclude)dvc.lock", ":(exclude)results")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written_by_pipeline)
    return changes if changes == _UNKNOWN else str(bool(changes)).lower()


def _git(*arguments: str) -> str:
    """Return the output of git, or `unknown` if git is not installed or fails, as it does outside of a checkout."""
    try:
        done = run_git(*arguments)
    except PipelineError:
        return _UNKNOWN
    return done.stdout.strip() if done.returncode == 0 else _UNKNOWN
