"""Files and locks that DVC leaves behind when it is killed."""

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import psutil

from microfacial.errors import PipelineError
from microfacial.formats import parse_json
from microfacial.locks import exclusive_lock, is_held
from microfacial.pipeline import early_dvc
from microfacial.yaml_parser import parse_yaml

_TMP = Path(".dvc/tmp")
_RWLOCK, _RWLOCK_GUARD, _LOCK = _TMP / "rwlock", _TMP / "rwlock.lock", _TMP / "lock"
_DVC_LOCK = Path("dvc.lock")
_PIDS = 2**31  # process ids are smaller


def clear_locks(seconds: float = 1.0) -> None:
    """Remove what killed DVC processes left behind. Wait for DVC processes that still run, and print their ids.

    Args:
        seconds: time between two looks at processes that still run.

    Raises:
        PipelineError: dvc.lock contains a merge conflict.
    """
    remove_damaged_files()
    announced = False
    while holders := [*_remove_stale_lock(_RWLOCK_GUARD), *_remove_stale_entries(), *_remove_stale_lock(_LOCK)]:
        if not announced:
            names = ", ".join(sorted(set(holders)))
            click.echo(f"DVC is at work here: {names}. Waiting until it ends (Ctrl-C to give up)")
            announced = True
        time.sleep(seconds)


def remove_damaged_files() -> None:
    """Remove files that DVC was writing when it was killed. DVC refuses a damaged file and replaces a missing file.

    Raises:
        PipelineError: dvc.lock contains a merge conflict, which only the user can resolve.
    """
    if _DVC_LOCK.exists() and b"\n<<<<<<< " in b"\n" + _DVC_LOCK.read_bytes():
        raise PipelineError(
            f"{_DVC_LOCK} contains a merge conflict. Take one side with `git checkout --ours {_DVC_LOCK}` or "
            f"`git checkout --theirs {_DVC_LOCK}`"
        )
    if _RWLOCK.exists() and not _is_mapping(_RWLOCK, parse_json):
        _remove_rwlock()
    if _DVC_LOCK.exists() and not _is_mapping(_DVC_LOCK, partial(parse_yaml, max_bytes=None)):
        aside = _DVC_LOCK.with_name("dvc.lock.damaged")
        _DVC_LOCK.replace(aside)
        click.echo(
            f"{_DVC_LOCK} is damaged, probably by a killed process. It is written again. Its content is in {aside}"
        )


def _remove_stale_entries() -> list[str]:
    """Remove the locks of dead processes from DVC's rwlock. Return the processes that still hold locks."""
    if not _RWLOCK.exists():
        return []
    with exclusive_lock(_RWLOCK_GUARD, None):  # DVC holds this lock while it edits the file
        written_at = _RWLOCK.stat().st_mtime
        try:
            content = parse_json(_RWLOCK.read_bytes())
            entries = list(_list_entries(content))
        except (ValueError, KeyError, TypeError, AttributeError):
            _remove_rwlock()
            return []
        holders = [entry for entry in entries if _is_alive(entry, written_at)]
        stale = [entry for entry in entries if entry not in holders]
        if stale:
            _RWLOCK.write_text(json.dumps(_keep(content, holders)))
            names = ", ".join(sorted({_name(*entry) for entry in stale}))
            click.echo(f"{_RWLOCK}: removed the locks of processes that were killed: {names}")
    return [_name(*entry) for entry in holders]


def _remove_rwlock() -> None:
    click.echo(f"{_RWLOCK} is damaged, probably by a killed process. It is written again")
    _RWLOCK.unlink()


def _list_entries(content: Any) -> Iterator[tuple[int, str]]:
    """Yield process id and command of every lock."""
    for infos in (content.get("write", {}).values(), *content.get("read", {}).values()):
        for info in infos:
            if not isinstance(info["pid"], int) or not 0 < info["pid"] < _PIDS:
                raise ValueError(f"{info['pid']!r} is no process id")
            yield info["pid"], str(info["cmd"])


def _keep(content: Any, holders: list[tuple[int, str]]) -> dict[str, Any]:
    """Return the content of the rwlock with the locks of some processes only."""
    write = {path: info for path, info in content.get("write", {}).items() if (info["pid"], info["cmd"]) in holders}
    read = {
        path: [info for info in infos if (info["pid"], info["cmd"]) in holders]
        for path, infos in content.get("read", {}).items()
    }
    return {"write": write, "read": {path: infos for path, infos in read.items() if infos}}


def _is_alive(entry: tuple[int, str], written_at: float) -> bool:
    """Return whether the process that made a lock still runs. A later process can have the same id."""
    pid, command = entry
    if pid == os.getpid():
        return False  # this process calls DVC in other processes only
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > written_at + 1:
            return False
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return _mentions_dvc(words) or words[-1:] == command.split()[-1:]  # scripts can call DVC without the word


def _mentions_dvc(words: list[str]) -> bool:
    return any(Path(word).name in ("dvc", "dvc.exe") for word in words)


def _remove_stale_lock(lock: Path) -> list[str]:
    """Remove a lock of DVC if no process holds it. Return the processes that hold it.

    The operating system releases the usual lock. It cannot release a lock by hard links (`core.hardlink_lock`).
    """
    if not lock.exists():
        return []
    if lock.stat().st_nlink == 1:
        return [f"a process that holds {lock}"] if is_held(lock) else []
    working = [_name(process.pid, " ".join(process.info["cmdline"])) for process in _find_dvc_here()]
    if not working:
        inode = lock.stat().st_ino
        for path in _TMP.iterdir():
            if path.stat().st_ino == inode:
                path.unlink()
        click.echo(f"{lock}: removed, because no DVC process runs here")
    return working


def _find_dvc_here() -> Iterator[psutil.Process]:
    """Yield the DVC processes that work in the current folder, and those whose folder is unknown.

    Processes of `early_dvc` do not count: they work only while they hold the lock of `microfacial repro`, which the
    caller holds.
    """
    here = Path.cwd()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        folder, words = process.info["cwd"], process.info["cmdline"] or []
        if (
            _mentions_dvc(words)
            and early_dvc.__name__ not in words
            and (folder is None or Path(folder).is_relative_to(here))
        ):
            yield process


def _name(pid: int, command: str) -> str:
    return f"process {pid} ({command[:80]})"


def _is_mapping(path: Path, parse: Callable[[bytes], Any]) -> bool:
    """Return whether a file contains a mapping."""
    try:
        return isinstance(parse(path.read_bytes()), dict)
    except ValueError:
        return False
