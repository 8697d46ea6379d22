"""Temporary folders of a server. They are deleted with the request, and those of a killed server at the next start."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

_PREFIX = "microfacial-server-"
_NAME = re.compile(rf"{_PREFIX}(\d+)-\w+")
_ATTEMPTS, _PAUSE_SECONDS = 20, 0.1


@contextmanager
def make_server_folder() -> Iterator[Path]:
    """Make the folder of this server for the duration of a block, and delete the folders of servers that were killed.

    Yields:
        The folder. Other users cannot read it.
    """
    delete_abandoned_folders(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@asynccontextmanager
async def make_request_folder(server_folder: Path) -> AsyncIterator[Path]:
    """Make the folder of one request for the duration of a block.

    Args:
        server_folder: folder of the server.

    Yields:
        The folder.
    """
    folder = Path(tempfile.mkdtemp(dir=server_folder))
    try:
        yield folder
    finally:
        for _ in range(_ATTEMPTS):  # a process that is just being ended may still write to it
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            await asyncio.sleep(_PAUSE_SECONDS)


def delete_abandoned_folders(place: Path) -> None:
    """Delete the folders of this user's servers that no longer run.

    Args:
        place: folder that contains the folders of all servers.
    """
    for folder in place.glob(f"{_PREFIX}*"):
        match = _NAME.fullmatch(folder.name)
        if match is None or folder.is_symlink() or psutil.pid_exists(int(match[1])):
            continue
        if folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
