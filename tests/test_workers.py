"""Worker processes end after their parent was killed. Each test kills only the parent, with SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from joblib import delayed

from microfacial.workers import make_parallel

_TASKS = """
import os, pathlib, sys, time
from joblib import delayed
from microfacial.workers import make_parallel

def work(folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    list(make_parallel(2)(delayed(work)(sys.argv[1]) for _ in range(2)))
"""
_CHILD = """
import os, subprocess, sys, time
from pathlib import Path
from microfacial.workers import {imported}

{guard}
child = "import pathlib, sys, time; {watch}; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
process = subprocess.Popen([sys.executable, "-c", child.replace("PARENT", str(os.getpid())), sys.argv[1] + "/new"])
Path(sys.argv[1], "new").exists() or time.sleep(1.5)
Path(sys.argv[1], "new").rename(Path(sys.argv[1], str(process.pid)))
time.sleep(600)
"""
_GUARDED = _CHILD.format(imported="guard_children", guard="guard_children()", watch="pass")
_WATCHING = _CHILD.format(
    imported="end_with_parent",
    guard="",
    watch="from microfacial.workers import end_with_parent; end_with_parent(PARENT)",
)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.slow
@pytest.mark.parametrize(("script", "count"), [(_TASKS, 2), (_WATCHING, 1), (_GUARDED, 1)])
def test_workers_end_when_only_their_parent_is_killed(tmp_path: Path, script: str, count: int) -> None:
    (tmp_path / "script.py").write_text(script)
    (tmp_path / "ids").mkdir()
    parent = subprocess.Popen([sys.executable, tmp_path / "script.py", tmp_path / "ids"])
    assert wait_for(lambda: sum(path.name.isdigit() for path in (tmp_path / "ids").iterdir()) == count)
    workers = [psutil.Process(int(path.name)) for path in (tmp_path / "ids").iterdir()]
    time.sleep(0.6)  # the guard looks for children every half second
    descendants = psutil.Process(parent.pid).children(recursive=True)
    assert set(workers) <= set(descendants)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    try:
        _, alive = psutil.wait_procs(descendants, timeout=10)
        assert not alive
    finally:
        for process in descendants:
            if process.is_running():
                process.kill()


@pytest.mark.parametrize("processes", [1, 2])
def test_results_arrive_from_any_number_of_processes(processes: int) -> None:
    assert sorted(make_parallel(processes)(delayed(abs)(number) for number in (-1, -2, -3))) == [1, 2, 3]
    assert make_parallel(processes, "list")(delayed(abs)(number) for number in (-3, -1, -2)) == [3, 1, 2]
