"""A small program that compares a folder with the version that DVC recorded, and prints the answer as JSON.

It is a program of its own, because an error of DVC can have any class, and because importing DVC takes a second. DVC
computes the hash, so no cache of the data is needed.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc.repo import Repo

_CLOCK_SECONDS = 2.0  # some file systems round times to two seconds


class _TrustedState:
    """DVC's record of the hashes of files, limited to files that have not been touched since the last proof.

    DVC recognises a file by inode, size and time of modification. `cp -p` and archives restore that time. The time of
    the last change of a file's status, which programs cannot set, is therefore compared too.
    """

    def __init__(self, state: Any, proven_at: float) -> None:
        self._state, self._proven_at = state, proven_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def get_many(self, paths: Any, file_system: Any, infos: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        for path, meta, recorded in self._state.get_many(paths, file_system, infos):
            trusted = infos[path]["created"] < self._proven_at - _CLOCK_SECONDS  # DVC's name for st_ctime
            yield (path, meta, recorded) if trusted else (path, None, None)


def compare(file: Path, proven_at: float) -> dict[str, Any]:
    """Compare the folder of a .dvc file with its recorded version.

    Args:
        file: file such as data.dvc, which has one output.
        proven_at: time in seconds of the last comparison that proved equality, or 0.

    Returns:
        `equal`, whether the two are equal, and `recorded` and `actual`, DVC's hashes of both.

    Raises:
        ValueError: the file does not name its folder, or no version of it.
    """
    folder = file.with_suffix("")
    with Repo() as repo:
        outputs = [
            output for output in repo.stage.load_one(str(file)).outs if Path(output.fs_path) == folder.absolute()
        ]
        if len(outputs) != 1 or not outputs[0].hash_info:
            raise ValueError(f"it records no version of {folder}")
        (output,) = outputs
        if not output.exists:
            raise ValueError(f".dvcignore hides {folder}")
        output.cache.state = _TrustedState(output.cache.state, proven_at)
        actual = output.get_hash()
        return {"equal": output.hash_info == actual, "recorded": output.hash_info.value, "actual": actual.value}


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201
