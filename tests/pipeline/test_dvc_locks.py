import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microfacial.errors import PipelineError
from microfacial.pipeline.dvc_locks import clear_locks, remove_damaged_files

COMPLETE_FILES = {".dvc/tmp/rwlock": '{"read": {}, "write": {}}', "dvc.lock": "schema: '2.0'\nstages: {}\n"}
RWLOCK = Path(".dvc/tmp/rwlock")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RWLOCK.parent.mkdir(parents=True)


@pytest.mark.parametrize("name", COMPLETE_FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_truncated_file_of_dvc_is_removed_and_a_complete_file_is_not(name: str, share: float) -> None:
    path, text = Path(name), COMPLETE_FILES[name]
    path.write_text(text if share == 1 else text[: round(share * len(text))] + "\x00")
    before = path.read_bytes()
    remove_damaged_files()
    assert path.exists() == (share == 1)
    if name == "dvc.lock" and share < 1:
        assert Path("dvc.lock.damaged").read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        '{"read": []}',
        '{"write": {"a": {}}}',
        '{"write": {"a": {"pid": -1, "cmd": "dvc"}}}',
        '{"write": {"a": {"pid": 1e99, "cmd": "dvc"}}}',
        '{"write": {"a": {"pid": 99999999999999999999999, "cmd": "dvc"}}}',
        '{"write": {"a": ' + "[" * 5000 + "]" * 5000 + "}}",
        '{"read": {"a": [5]}}',
        '{"write": 5}',
    ],
)
def test_an_rwlock_of_another_form_is_removed(content: str) -> None:
    RWLOCK.write_text(content)
    clear_locks()
    assert not RWLOCK.exists()


def test_a_merge_conflict_in_dvc_lock_is_left_to_the_user() -> None:
    text = "schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n=======\nstages: {a: {}}\n>>>>>>> other\n"
    Path("dvc.lock").write_text(text)
    with pytest.raises(PipelineError, match=r"dvc\.lock .*--ours"):
        remove_damaged_files()
    assert Path("dvc.lock").read_text() == text


# --- locks of killed processes ----------------------------------------------------------------------------------------


def lock(pid: int, command: str = "/venv/bin/dvc repro") -> dict[str, Any]:
    info = {"pid": pid, "cmd": command}
    return {"write": {"/p/results/faces": info}, "read": {"/p/data": [info]}}


def start(*words: str) -> "subprocess.Popen[bytes]":
    """Start a process that sleeps, with further words in its command line."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])


def test_the_locks_of_a_dead_process_are_removed(capsys: pytest.CaptureFixture[str]) -> None:
    dead = start()
    dead.kill()
    dead.wait()
    RWLOCK.write_text(json.dumps(lock(dead.pid)))
    clear_locks()
    assert json.loads(RWLOCK.read_text()) == {"write": {}, "read": {}}
    assert f"process {dead.pid} (/venv/bin/dvc repro)" in capsys.readouterr().out


@pytest.mark.parametrize("later", [True, False])
def test_the_locks_of_a_process_whose_id_another_program_has_now_are_removed(later: bool) -> None:
    """The other program started after the file was written, or it is no DVC."""
    other = start("dvc", "repro") if later else start("other")
    RWLOCK.write_text(json.dumps(lock(other.pid)))
    if later:
        os.utime(RWLOCK, (0, 0))
    try:
        clear_locks()
    finally:
        other.kill()
        other.wait()
    assert json.loads(RWLOCK.read_text()) == {"write": {}, "read": {}}


def test_the_own_id_belonged_to_a_killed_process() -> None:
    RWLOCK.write_text(json.dumps(lock(os.getpid())))
    clear_locks()
    assert json.loads(RWLOCK.read_text()) == {"write": {}, "read": {}}


def test_the_locks_of_a_running_dvc_stay_until_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = start("dvc", "repro")
    RWLOCK.write_text(json.dumps(lock(running.pid)))
    before, waits = RWLOCK.read_text(), []

    def stop_after_two(seconds: float) -> None:
        waits.append(RWLOCK.read_text())
        if len(waits) == 2:
            running.kill()
            running.wait()

    monkeypatch.setattr("time.sleep", stop_after_two)
    clear_locks()
    assert waits == [before, before]
    assert json.loads(RWLOCK.read_text()) == {"write": {}, "read": {}}
    assert capsys.readouterr().out.count(f"DVC is at work here: process {running.pid} ") == 1


def test_a_held_repository_lock_is_waited_for_and_a_free_lock_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(".dvc/tmp/lock")
    path.touch()
    clear_locks()
    assert capsys.readouterr().out == ""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(stream, fcntl.LOCK_UN))
        clear_locks()
    assert ".dvc/tmp/lock" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lock", "rwlock.lock"])
def test_a_lock_by_hard_links_is_removed_if_no_dvc_runs_in_the_project(name: str) -> None:
    path, claim = RWLOCK.with_name(name), Path(".dvc/tmp/0123.lock")
    claim.write_text("0123.lock")
    os.link(claim, path)
    clear_locks()
    assert not path.exists()
    assert not claim.exists()
