"""Fresh clones, changed data, changed settings and changed code."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from processes import ENVIRONMENT, MakeCheckout, dvc, execute, git, microfacial

pytestmark = pytest.mark.slow
REPORTS = "results/demo/reports"
PROCESSOR_DEPENDENT = ("dvc.lock", f"{REPORTS}/metrics.json", f"{REPORTS}/scores.json")  # last bits of scores differ
MAKE = ("make", "--old-file", ".venv/installed", "repro")


def test_make_repro_leaves_the_committed_lock_and_a_clean_tree(checkout: MakeCheckout) -> None:
    clone = checkout("a clone")
    (clone / ".venv").symlink_to(sys.prefix)
    done = execute(clone, *MAKE, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "synthetic: no measure of accuracy" in done.stdout
    changed = [line[3:] for line in git(clone, "status", "--porcelain").splitlines()]
    assert set(changed) <= {*PROCESSOR_DEPENDENT, ".venv"}

    again = execute(clone, *MAKE)
    assert again.returncode == 0
    assert "Running stage" not in again.stdout


def test_two_clones_end_with_the_same_lock(finished_template: Path, tmp_path: Path) -> None:
    """The second clone has the lock that the first clone computed. It computes everything again."""
    git(tmp_path, "clone", "--quiet", str(finished_template), "second clone")
    second = tmp_path / "second clone"
    shutil.copytree(finished_template / "data", second / "data")
    done = microfacial(second, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'flow'" in done.stdout
    assert git(second, "status", "--porcelain") == ""


def test_changed_data_is_refused_until_it_is_added(tiny_checkout: Path) -> None:
    frame = next((tiny_checkout / "data").rglob("reg_img*.jpg"))
    frame.write_bytes(frame.read_bytes() + b"\0")
    done = microfacial(tiny_checkout, "repro")
    assert done.returncode == 2
    assert "data.dvc" in done.stderr
    assert "`dvc add data`" in done.stderr
    assert git(tiny_checkout, "status", "--porcelain") == ""


def test_missing_data_of_another_corpus_is_not_replaced_by_the_demo(tiny_checkout: Path) -> None:
    shutil.rmtree(tiny_checkout / "data")
    params = tiny_checkout / "params.yaml"
    params.write_text(params.read_text().replace("corpora: [demo]", "corpora: [casme2]"))
    done = microfacial(tiny_checkout, "repro")
    assert done.returncode == 2
    assert "microfacial: data/ " in done.stderr
    assert "`dvc pull`" in done.stderr
    assert not (tiny_checkout / "data").exists()


def list_run_stages(output: str) -> list[str]:
    """Return the stages that `dvc repro` ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def test_a_changed_setting_of_one_model_trains_only_that_model(finished_checkout: Path) -> None:
    params = finished_checkout / "params.yaml"
    params.write_text(params.read_text().replace("input_px: 14", "input_px: 12"))
    done = dvc(finished_checkout, "repro")
    assert done.returncode == 0, done.stderr
    assert list_run_stages(done.stdout) == ["train@linear_svm", "report"]


def test_an_edited_comment_runs_only_the_stage_code_and_an_edited_statement_its_own_stage(
    finished_checkout: Path,
) -> None:
    """The appended statement does not change the flow, so the stages after `flow` do not run."""
    module = finished_checkout / "src/microfacial/preprocessing/flow.py"
    for addition, stages in (("# A comment.\n", ["code"]), ("_UNUSED = 1\n", ["code", "flow"])):
        with module.open("a") as code:
            code.write(addition)
        done = dvc(finished_checkout, "repro")
        assert done.returncode == 0, done.stderr
        assert list_run_stages(done.stdout) == stages


@pytest.mark.parametrize("fault", ["params", "code", "none"])
def test_the_check_of_dvc_lock_fails_after_a_change_of_code_or_parameters(checkout: MakeCheckout, fault: str) -> None:
    clone = checkout()
    if fault == "params":
        params = yaml.safe_load((clone / "params.yaml").read_text())
        params["train"]["seed"] += 1
        (clone / "params.yaml").write_text(yaml.safe_dump(params))
    if fault == "code":
        with (clone / "src/microfacial/preprocessing/flow.py").open("a") as code:
            code.write("_UNUSED = 1\n")
    done = execute(clone, sys.executable, "tests/check_lock.py")
    assert done.returncode == (0 if fault == "none" else 1), done.stdout
    assert ("dvc.lock does not match" in done.stdout) == (fault != "none")


def test_doctor_passes_a_sound_project_and_names_the_faults_of_another(tiny_checkout: Path) -> None:
    sound = microfacial(tiny_checkout, "doctor")
    assert sound.returncode == 0, sound.stdout
    assert "FAIL" not in sound.stdout
    next((tiny_checkout / "data").rglob("CASME2-coding-*.xlsx")).unlink()
    faulty = microfacial(tiny_checkout, "doctor")
    assert faulty.returncode == 2
    faults = [line.split()[1] for line in faulty.stdout.splitlines() if line.startswith("FAIL")]
    assert faults == ["data", "clips:"]
    assert "skip disk: not checked, because clips failed" in faulty.stdout
    assert "ok   MLflow store" in faulty.stdout


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server during the block."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
    try:
        yield server
    finally:
        server.terminate()
        server.wait(30)


def post(url: str, body: dict[str, object]) -> dict[str, object]:
    """Return the answer of a server. Wait while it starts."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return dict(json.load(answer))
        except OSError:
            time.sleep(1)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.usefixtures("no_strays")
@pytest.mark.parametrize("command", [("microfacial", "ui", "--port"), ("mlflow", "ui", "--workers", "1", "--port")])
def test_the_page_of_mlflow_shows_the_experiment_of_the_project(
    finished_checkout: Path, unused_port: int, command: tuple[str, ...]
) -> None:
    with serving(finished_checkout, sys.executable, "-m", *command, str(unused_port)):
        api = f"http://127.0.0.1:{unused_port}/api/2.0/mlflow/experiments/search"
        experiments = post(api, {"max_results": 10})["experiments"]
        assert isinstance(experiments, list)
        assert "tiny · casme2-4" in [experiment["name"] for experiment in experiments]
