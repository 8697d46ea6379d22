"""Commands that are killed at any of their writes and started again end in the same state as undisturbed commands."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT
from microfacial.tracking.store import connect
from processes import execute, microfacial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]
SIGKILL = -9


@pytest.fixture(scope="module")
def template(finished_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with three trained models. Each test works in a copy with the same path."""
    root = Path(shutil.copytree(finished_template, tmp_path_factory.mktemp("template") / "project", symlinks=True))
    shutil.rmtree(root / "src")  # the commands run the installed package, and each kill copies the project
    with (root / "params.yaml").open("a") as params:
        params.write("registry: {min_subjects: 2, latency_ratio: 100}\n")
    connect(root)  # the addresses of artifacts follow the copy
    return root


def kill_at_writes(root: Path, *command: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the state after an undisturbed command, and the states after each kill and restart."""
    before = root.with_name("before")
    shutil.copytree(root, before, symlinks=True)
    done = execute(root, sys.executable, str(ROOT / "tests" / "kill_at_writes.py"), str(root), str(before), *command)
    shutil.rmtree(root)
    before.rename(root)  # the next test starts from the same state
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed, *killed = map(json.loads, done.stdout.splitlines())
    assert undisturbed["status"] == 0
    assert len(killed) >= 3
    assert {restart["killed"] for restart in killed} == {SIGKILL}
    return undisturbed["state"], killed


def test_a_killed_training_of_a_network_ends_with_the_same_files_and_one_finished_run(template: Path) -> None:
    shutil.rmtree(template / ".microfacial" / "tiny" / "folds" / "roi_cnn")
    undisturbed, restarts = kill_at_writes(template, "train", "roi_cnn", "--processes", "1")
    for restart in restarts:
        assert restart["status"] == 0, restart
        assert restart["state"]["files"] == undisturbed["files"], restart["write"]
        assert ["roi_cnn", "FINISHED"] in restart["state"]["runs"]
        assert len(restart["state"]["runs"]) == len(undisturbed["runs"])


def test_a_killed_report_ends_with_the_same_files(template: Path) -> None:
    undisturbed, restarts = kill_at_writes(template, "report")
    assert "reports/index.html" in undisturbed["files"]
    for restart in restarts:
        assert (restart["status"], restart["state"]) == (0, undisturbed), restart["write"]


def test_a_killed_registration_ends_with_one_challenger(template: Path) -> None:
    undisturbed, restarts = kill_at_writes(template, "register", "roi_cnn")
    assert undisturbed["challenger"] == 1
    for restart in restarts:
        assert restart["status"] == 0, restart
        assert restart["state"]["challenger"] in (1, 2)  # a killed registration may leave a version without an alias
        assert restart["state"]["champion"] is None
        assert not any(restart["state"]["decisions"].values())


def test_a_killed_promotion_ends_with_one_champion_and_one_decision(template: Path) -> None:
    assert microfacial(template, "register", "roi_cnn").returncode == 0
    undisturbed, restarts = kill_at_writes(template, "promote", "--bootstrap")
    assert undisturbed["champion"] == 1
    for restart in restarts:
        assert restart["status"] in (0, 2), restart  # 2: the promotion was complete, so there is no challenger
        assert restart["state"] == undisturbed, restart["write"]
