"""Registered versions outside the project: in another process, in a remote store, and with simultaneous promotions."""

import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import command_line
from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.write import write_demo
from microfacial.inference.bundle import find_bundle, read_bundle
from microfacial.inference.example_input import make_example_clip
from microfacial.inference.request import open_requested_clip
from microfacial.pipeline.config import load
from microfacial.tracking.model_versions import Registry
from microfacial.tracking.store import connect
from processes import ENVIRONMENT, dvc, microfacial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]
NAME = "tiny.casme2-4"
BIN = str(Path(sys.executable).parent)


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of `trained`. Tests run in it."""
    return Path(shutil.copytree(trained, tmp_path / "a clone", symlinks=True))


@pytest.fixture
def champion(project: Path) -> Path:
    """Return the folder of the champion, a ROI CNN."""
    return Registry(connect(project), NAME).fetch(1, project / "cache")


def predict_example(folder: Path) -> dict[str, float]:
    """Return the probabilities of the example clip, predicted in this process."""
    example = make_example_clip()
    with open_requested_clip(example.pop("clip")) as path:
        return read_bundle(find_bundle(folder)).predict_clip(path, **example)


# --- in another process -----------------------------------------------------------------------------------------------

ELSEWHERE = """
import sys
sys.path.append(sys.argv[1])  # the installed packages, without editable ones
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[2])
answer = model.predict(model.input_example)
import microfacial
print(microfacial.__file__)
print(answer.to_json(orient="records"))
"""


def test_a_version_runs_where_the_package_is_not_installed(champion: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(champion, tmp_path / "elsewhere" / "model")
    packages = site.getsitepackages()[0]
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    absent = [sys.executable, "-S", "-c", "import sys; sys.path.append(sys.argv[1]); import microfacial", packages]
    hidden = subprocess.run(absent, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "No module named 'microfacial'" in hidden.stderr
    command = [sys.executable, "-S", "-c", ELSEWHERE, packages, str(copied)]
    done = subprocess.run(
        command, cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    location, answer = done.stdout.splitlines()[-2:]
    assert Path(location).is_relative_to(copied / "code")
    (row,) = json.loads(answer)
    expected = predict_example(copied)
    assert {name: row[f"p_{name}"] for name in expected} == pytest.approx(expected, abs=1e-5)


@contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[None]:
    """Run a server during the block. Afterwards, end it and all processes that it started."""
    variables = {**ENVIRONMENT, "PATH": f"{BIN}{os.pathsep}{ENVIRONMENT['PATH']}", **environment}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


# --- a remote store ---------------------------------------------------------------------------------------------------


def test_all_commands_work_with_a_remote_store(
    project: Path,
    unused_port: int,
    tmp_path: Path,
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = list((project / "mlruns").rglob("*"))
    shutil.copy(empty_store, tmp_path / "remote.db")
    uri = f"http://127.0.0.1:{unused_port}"
    options = ("--backend-store-uri", f"sqlite:///{tmp_path / 'remote.db'}", "--artifacts-destination", str(tmp_path))
    command = ("mlflow", "server", *options, "--workers", "1", "--port", str(unused_port))
    with running(tmp_path, sys.executable, "-m", *command, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=5)
                break
            except OSError:
                time.sleep(1)
        monkeypatch.chdir(project)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        outputs = []
        clip = read_clips(project / "results/tiny/clips.csv")[0]
        frames = str((Path("data") / clip.frames).parent)
        for arguments in (
            ["register", "linear_svm"],
            ["promote", "--bootstrap"],
            ["register", "roi_cnn"],
            ["promote", "--force", "a test"],
            ["predict", frames, "--onset", str(clip.onset), "--apex", str(clip.apex), "--offset", str(clip.offset)],
            ["rollback"],
            ["lineage"],
        ):
            status, printed = command_line.run(monkeypatch, *arguments), capsys.readouterr()
            assert status == 0, printed.out + printed.err
            outputs.append(printed.out)
    assert re.search(rf"{frames}  \w+  \(happiness", outputs[4])
    assert "version 1  linear_svm, refit, loso  ← champion" in outputs[-1]
    assert set((project / "mlruns").rglob("*")) - {project / "mlruns" / ".registry.lock"} <= set(before)


# --- simultaneous promotions ------------------------------------------------------------------------------------------


def test_of_two_simultaneous_promotions_one_succeeds_and_the_other_is_refused(project: Path) -> None:
    assert microfacial(project, "register", "linear_svm").returncode == 0
    command = (sys.executable, "-m", "microfacial", "promote", "--force", "a race")
    processes = [
        subprocess.Popen(
            command, cwd=project, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 2], outputs
    refusal = next(err for process, (_, err) in zip(processes, outputs, strict=True) if process.returncode == 2)
    assert re.search(r"tiny\.casme2-4.*(another process|challenger)", refusal)
    registry = Registry(connect(project), NAME)
    champion = registry.find("champion")
    assert champion is not None
    assert (champion.version, registry.find("challenger")) == (2, None)
    assert {version: len(decisions) for version, decisions in registry.decisions().items()} == {1: 1, 2: 1}


# --- all commands in order --------------------------------------------------------------------------------------------

SETTINGS = """
clips: {name: tiny, root: data, corpora: [demo], scheme: casme2-4}
faces: {method: landmarks, regions: mission, size_px: 56}
flow: {method: variational, head_motion: similarity-twice, variational: {levels: 2}}
train: {protocol: loso, seed: 0, validation_folds: 3, bootstrap_draws: 100}
models:
  linear_svm: {input_px: 14, c_values: [0.001, 0.01], inner_folds: 2}
  mlp: {input_px: 14, hidden: 32, epochs: 30, learning_rate: 0.000001}  # too low, so that a study finds better settings
report: {hardest_clips: 3}
study:
  seed: 1                 # the first seed in a search with which a trial beats trial 0
  tuning_subjects: [demo/sub01, demo/sub02, demo/sub03]
  inner_folds: 3
  trials: 8
  startup_trials: 2
  prune: false
  fixed_parameters: [epochs, hidden, input_px]
registry: {min_subjects: 3, latency_ratio: 100}
"""


def test_a_model_with_settings_from_a_study_challenges_the_champion(
    tiny_checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the commands of the README in order. The study tunes on three people. Three others are compared."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tiny_checkout)

    def run(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        status, printed = command_line.run(monkeypatch, *arguments), capsys.readouterr()
        assert status in codes, f"{arguments}: {printed.out}{printed.err}"
        return printed.out

    shutil.rmtree(tiny_checkout / "data" / "demo")
    plan = DemoPlan(identities=6, clips_per_identity=3, others=1, frames=(6, 9), width_px=70)
    write_demo(tiny_checkout / "data" / "demo", plan)
    (tiny_checkout / "params.yaml").write_text(SETTINGS)
    assert dvc(tiny_checkout, "add", "data").returncode == 0
    assert microfacial(tiny_checkout, "repro", "--processes", "2").returncode == 0
    run("register", "mlp")
    run("promote", "--bootstrap")
    run("study", "mlp", "--processes", "2")
    output = run("study", "apply", "mlp")
    trial = re.search(r"trial (\d+) of (\S+) is in params.yaml", output)
    assert trial is not None, output
    settings = load(tiny_checkout / "params.yaml")
    assert settings.tuned["mlp"].subjects == ("demo/sub01", "demo/sub02", "demo/sub03")
    assert command_line.run(monkeypatch, "register", "mlp") == 2
    assert re.search("models.mlp.*dvc repro", capsys.readouterr().err)  # not yet trained with the new settings
    before = (tiny_checkout / "results/tiny/train/linear_svm/evaluation.json").stat().st_mtime_ns
    assert microfacial(tiny_checkout, "repro", "--processes", "2").returncode == 0
    assert (tiny_checkout / "results/tiny/train/linear_svm/evaluation.json").stat().st_mtime_ns == before
    run("register", "mlp")
    output = run("promote", codes=(0, 1))
    assert "on 9 clips of 3 subjects that neither was tuned on" in output
    if "refused" in output:
        run("promote", "--force", "nine clips are few")
    output = run("lineage")
    assert f"study    {trial[2]}, trial {trial[1]}, tuned on 3 subjects" in output
    assert "version 2  mlp, refit, loso  ← champion" in output
    champion = Registry(connect(tiny_checkout), NAME).find("champion")
    assert champion is not None
    assert champion.settings == settings.models["mlp"].model_dump(mode="json")
