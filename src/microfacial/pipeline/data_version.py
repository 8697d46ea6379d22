"""The version of the data: find it, and prove that the data on disk are this version."""

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from microfacial.disk import is_writable
from microfacial.errors import PipelineError, StorageError
from microfacial.files import read_json, write_json
from microfacial.pipeline.extras import require_extras
from microfacial.pipeline.project import STATE
from microfacial.pipeline.tools import reason, run_module
from microfacial.yaml_parser import parse_yaml

_LOG = logging.getLogger(__name__)

DATA = Path("data")
_PROOFS = STATE / "data-proofs.json"  # time of the last proof of equality, by .dvc file
_RESTORE = "Restore {file} with `git checkout {file}`, or record the data again with `dvc add {folder}`"
_REMEDIES = {
    "config file error": "Correct .dvc/config and .dvc/config.local, or restore them with `git checkout .dvc/config`",
    "not inside of a DVC repository": "Restore the folder .dvc with `git checkout .dvc`, or run `dvc init`",
    ".dvcignore": "Remove the line from .dvcignore",
    "Permission denied": "Correct the permissions of the file",
}
"""Remedies by words in DVC's message."""
_CACHED_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}$")  # name of a file in DVC's cache, which depends on its content


def find_version_file(root: Path) -> Path | None:
    """Return the .dvc file with the version of a folder or of one of its parents. None if there is none.

    Args:
        root: folder of the corpora, `clips.root`.
    """
    inside = _relative(root)
    if inside is None:
        return None
    candidates = (Path(f"{folder}.dvc") for folder in (inside, *inside.parents[:-1]))
    return next((path for path in candidates if path.is_file()), None)


def data_version(root: Path = DATA) -> str:
    """Return DVC's hash of the data, or `unversioned` if no .dvc file has it.

    Args:
        root: folder of the corpora, `clips.root`.

    Raises:
        PipelineError: the .dvc file is damaged.
    """
    path = find_version_file(root)
    return _read_hash(path) if path else "unversioned"


def check_data(root: Path = DATA) -> str:
    """Refuse data that are not proven to be the recorded version, because `dvc repro` would adopt them silently.

    Args:
        root: folder of the corpora, `clips.root`.

    Returns:
        The result in words.

    Raises:
        PipelineError: the data are missing, contain links, have no version or another version, or DVC cannot compare
            them.
        MissingExtraError: DVC is not installed.
    """
    if not root.exists() and not root.is_symlink():
        raise PipelineError(f"{root}/ is missing. Fetch it with `dvc pull`, or put your corpus there (see README.md)")
    refuse_links(root)
    if _relative(root) is None:
        return f"{root} lies outside of the project: it has no version, and DVC only records its hash in dvc.lock"
    require_extras("dvc")
    file = find_version_file(root)
    if file is None:
        raise PipelineError(
            f"{root}/ has no version. Run `dvc add {root}`, or restore its version with `git checkout {root}.dvc`"
        )
    folder = file.with_suffix("")
    if folder != root:
        refuse_links(folder)
    proofs, start = _read_proofs(), time.time()
    if str(file) not in proofs:
        click.echo(f"comparing all files in {folder}/ with {file}. Later only changed files are read", err=True)
    _LOG.debug("comparing the files in %s/ with %s", folder, file)
    answer = _compare(file, proofs.get(str(file), 0.0))
    if answer["equal"] is not True:
        raise PipelineError(
            f"{folder}/ is not the version in {file}. Run `dvc add {folder}` if the change is intended, "
            f"or restore the data with `dvc checkout {file}`, after `dvc pull` if they are not in DVC's cache "
            f"(for the demo: delete data/demo and run `microfacial demo`)"
        )
    if is_writable(_PROOFS.parent):  # a user who may only read the project compares all files each time
        write_json(_PROOFS, {**proofs, str(file): start})
    return f"{folder}/ is the version in {file}"


def _compare(file: Path, proven_at: float) -> dict[str, Any]:
    step = f"comparing {file.with_suffix('')}/ with {file}"
    done = run_module("microfacial.pipeline.data_digest", str(file), str(proven_at), step=step, capture_output=True)
    try:
        if done.returncode == 0:
            return {"equal": None, **json.loads(done.stdout)}
    except ValueError:
        pass
    cause = reason(done.stderr).rstrip(".")
    remedy = next((remedy for word, remedy in _REMEDIES.items() if word in cause), _RESTORE)
    folder = file.with_suffix("")
    raise PipelineError(f"DVC cannot compare {folder}/ with {file}: {cause}. {remedy.format(file=file, folder=folder)}")


def _read_proofs() -> dict[str, float]:
    """Return the times of proofs, by .dvc file. A missing or damaged file and a time in the future prove nothing."""
    try:
        content = read_json(_PROOFS)
        return {str(file): float(seconds) for file, seconds in content.items() if float(seconds) <= time.time()}
    except (StorageError, AttributeError, TypeError, ValueError):
        return {}


def _read_hash(path: Path) -> str:
    try:
        (output,) = parse_yaml(path.read_bytes())["outs"]
        value = output["md5"]
    except (OSError, ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str):
        raise PipelineError(f"{path} is damaged: it has no hash of one folder. Restore it with `git checkout {path}`")
    return value


def _relative(root: Path) -> Path | None:
    """Return the path of a folder from the current project, by its name or its real place. None if it lies outside."""
    paths = (Path(os.path.relpath(path)) for path in (root, root.resolve()))
    return next((path for path in paths if path.parts[:1] != ("..",)), None)


# --- links ------------------------------------------------------------------------------------------------------------


def refuse_links(root: Path) -> None:
    """Refuse symbolic links at or below a folder. DVC follows no link to a folder, so changes there go unnoticed.

    Links of single files into DVC's cache are allowed. DVC makes them if `cache.type` is `symlink`.

    Args:
        root: folder of the corpora, `clips.root`.

    Raises:
        PipelineError: there is such a link. The message names it.
    """
    inside = _relative(root)
    parents = inside.parents if inside else ()
    links = [folder for folder in (root, *parents) if folder.is_symlink()] or list(_find_links(root))
    if not links:
        return
    first, others = min(links), f" ({len(links)} links in all)" if len(links) > 1 else ""
    target = first.readlink()
    mount = f"or by an empty folder on which you mount it (`sudo mount --bind {target.absolute()} {first}`), "
    raise PipelineError(
        f"{first} is a symbolic link to {target}{others}. DVC does not record what lies behind it, so later changes go "
        f"unnoticed. Replace the link by a copy, {mount if first.is_dir() else ''}"
        "or move DVC's cache to the other disk (`dvc cache dir`)"
    )


def _find_links(root: Path) -> Iterator[Path]:
    """Yield links below a folder, except for files that DVC linked to its cache."""
    for folder, folders, names in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.is_symlink() and (path.is_dir() or not _CACHED_FILE.search(os.path.realpath(path))):
                yield path
