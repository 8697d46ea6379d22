"""Call a function as a user who may read a folder and may not write it. Root has all rights, so a child drops them."""

import ctypes
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_CAPSET = {"x86_64": 126, "aarch64": 91}  # number of the system call by processor
_VERSION_3 = 0x20080522  # of the header of the system call


@contextmanager
def without_write_permission(folder: Path) -> Iterator[None]:
    """Take the permission to write from a folder and from everything in it."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(modes[path] & 0o555)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(modes[path])


def call_as_reader(folder: Path, function: Callable[[], object]) -> str:
    """Return the result of a function as text, or the class and the message of the error that it raised."""
    reader, writer = os.pipe()
    with without_write_permission(folder):
        child = os.fork()
        if child == 0:
            try:
                _drop_rights()
                answer = str(function())
            except BaseException as error:  # noqa: BLE001 – the parent shows it
                answer = f"{type(error).__name__}: {error}"
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read()
        os.waitpid(child, 0)
    return str(json.loads(text))


def _drop_rights() -> None:
    if os.geteuid() == 0:
        header, empty = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
        if ctypes.CDLL(None, use_errno=True).syscall(_CAPSET[platform.machine()], header, empty) != 0:
            raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")
