"""Check the journal file of studies, and repair it after a kill.

Each line of a journal is one record in JSON. A process that is killed while it writes leaves an incomplete last line.
Optuna would append the next record to that line, and could never read the file again.
"""

import json
from pathlib import Path

import click
from optuna.storages.journal import JournalFileSymlinkLock

from microfacial.errors import PipelineError


def repair_journal(path: Path) -> None:
    """Remove an incomplete last line from a journal. Optuna's lock keeps other processes from writing meanwhile.

    Args:
        path: the journal. It may be missing.

    Raises:
        PipelineError: the path is no file, or another line is damaged. The message names the line.
    """
    if not path.exists():
        return
    _require_file(path)
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        complete = check_journal(path)
        if complete < path.stat().st_size:
            click.echo(f"{path}: the incomplete last line of a killed process is removed", err=True)
            with path.open("r+b") as stream:
                stream.truncate(complete)
    finally:
        lock.release()


def check_journal(path: Path) -> int:
    """Check all complete lines of a journal.

    Args:
        path: the journal.

    Returns:
        Number of bytes up to the end of the last complete line. Optuna does not read the incomplete line after it.

    Raises:
        PipelineError: the path is no file, or a complete line is damaged. The message names the line.
    """
    _require_file(path)
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    for number, line in enumerate(content[:complete].splitlines(), 1):
        if not _is_record(line):
            raise PipelineError(
                f"{path}: line {number} is damaged. Restore a backup of the file, or move the file to another "
                "place to start new studies"
            )
    return complete


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise PipelineError(f"{path} is not a file. Move it to another place, and run the command again")


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
