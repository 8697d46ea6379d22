"""DVC imports its modules before it is told to start, and runs nothing if it is not told."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from microfacial.pipeline.early_dvc import start_dvc
from processes import find_descendants


def test_dvc_runs_with_its_arguments_and_returns_its_code(
    project: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The step `running dvc` starts with DVC: before, the line about a long wait must name another step."""
    caplog.set_level("DEBUG", "microfacial")
    with Path("lock").open("a") as lock, start_dvc("version", "--no-such-option", environment={}) as run:
        assert caplog.messages == []
        assert run(lock.fileno()) == 254
    assert caplog.messages == ["running dvc version --no-such-option"]
    assert "--no-such-option" in capfd.readouterr().err


def test_dvc_that_is_not_told_to_start_is_killed_at_once(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with start_dvc("version", environment={}):
        started = find_descendants(os.getpid(), "early_dvc")
    assert len(started) == 1
    assert not started[0].is_running()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_dvc_holds_the_lock_until_it_ends(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages:\n  wait:\n    cmd: touch started; sleep 60\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    with Path("lock").open("a") as lock, Path("lock").open("a") as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code = f"""
from microfacial.pipeline.early_dvc import start_dvc
with start_dvc("repro", environment={{}}) as run:
    run({lock.fileno()})
"""
        parent = subprocess.Popen([sys.executable, "-c", code], pass_fds=[lock.fileno()])
        lock.close()
        while not Path("started").exists():
            assert parent.poll() is None
            time.sleep(0.05)
        stages = find_descendants(parent.pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for stage in stages:
            stage.kill()
        fcntl.flock(other, fcntl.LOCK_EX)


@pytest.mark.slow
def test_stages_have_the_environment(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "dvc.yaml").write_text("stages:\n  show:\n    cmd: echo $COLOUR\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    with Path("lock").open("a") as lock, start_dvc("repro", environment={"COLOUR": "indigo"}) as run:
        assert run(lock.fileno()) == 0
    assert "indigo" in capfd.readouterr().out
