import errno
import fcntl
from pathlib import Path

import pytest

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock, is_held


def test_a_lock_is_held_until_its_context_ends(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.lock"
    assert not is_held(path)
    with exclusive_lock(path, None):
        assert is_held(path)
    assert not is_held(path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(PipelineError, match=r"a\.lock .*no locks"), exclusive_lock(tmp_path / "a.lock", None):
        pass
