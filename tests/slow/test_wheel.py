"""The built wheel outside of the checkout: a project from `init` to the leaderboard, and the core without extras."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import ROOT, TINY_PARAMS
from microfacial import __version__
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.write import write_demo
from processes import ENVIRONMENT
from shared_folders import build_once

pytestmark = pytest.mark.slow
EXTRAS = (
    "alembic",
    "dvc",
    "fastapi",
    "mlflow",
    "optuna",
    "pebble",
    "python_multipart",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)
"""Beginnings of the names of packages that belong to extras."""

NEED_EXTRAS = {
    "app": "serve",
    "init other": "pipeline",
    "lineage": "tracking",
    "predict clip.avi --alias champion": "tracking",
    "promote": "tracking",
    "register roi_cnn": "tracking",
    "repro": "pipeline,tracking",
    "rollback": "tracking",
    "serve": "serve",
    "study roi_cnn": "tracking,tuning",
    "study show": "tuning",
    "sync": "tracking",
    "train majority": "tracking",
    "ui": "tracking",
}
"""Extras that each command needs, in a project."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of the present files."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)

    return next(build_once(tmp_path_factory, "wheel", build).glob("microfacial-*.whl"))


def build_environment(folder: Path, wheel: Path, without: tuple[str, ...] = ()) -> None:
    """Make a virtual environment with a wheel and with links to the packages of this environment.

    Args:
        folder: folder of the environment.
        wheel: the wheel.
        without: beginnings of the names of packages to leave out.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for source in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for entry in source.iterdir():
            left_out = entry.suffix == ".pth" or entry.name.lower().startswith(("microfacial", *without))
            if not left_out and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)


def run_in(folder: Path) -> Run:
    """Return a function that runs a program of a virtual environment in a folder."""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"

    def run(place: Path, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=900, check=False
        )

    return run


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Run:
    """Return a function that runs programs with all extras. A test edits the installed package."""
    folder = tmp_path_factory.mktemp("complete")
    build_environment(folder, wheel)
    return run_in(folder)


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Run:
    """Return a function that runs programs without extras."""
    return run_in(build_once(tmp_path_factory, "core", lambda folder: build_environment(folder, wheel, EXTRAS)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, complete: Run, tiny_demo: Path) -> Path:
    """Return a new project on the tiny demo, after `repro`."""
    place = tmp_path_factory.mktemp("projects")
    done = complete(place, "microfacial", "init", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    project = place / "mine"
    (project / "params.yaml").write_text(TINY_PARAMS + "registry: {min_subjects: 2, latency_ratio: 100}\n")
    shutil.copytree(tiny_demo, project / "data" / "demo")
    assert complete(project, "python", "-m", "dvc", "add", "data").returncode == 0
    done = complete(project, "make", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"roi_cnn\W+0\.\d{3}", done.stdout)
    assert "synthetic: no measure of accuracy" in done.stdout
    return project


def test_a_new_project_runs_only_the_stages_whose_installed_code_has_changed(project: Path, complete: Run) -> None:
    done = complete(project, "microfacial", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"Running stage '(\S+)'", done.stdout) == ["code"]
    found = complete(project, "python", "-c", "import microfacial; print(microfacial.__path__[0])")
    module = Path(found.stdout.strip()) / "preprocessing" / "strain.py"
    assert ROOT not in module.parents
    source = module.read_text()
    module.write_text(source + "\nADDED = 1\n")
    done = complete(project, "python", "-m", "dvc", "repro", "--dry")
    assert "Running stage 'code'" in done.stdout  # the dry run does not know the new digests yet
    done = complete(project, "microfacial", "repro")
    module.write_text(source)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = re.findall(r"Running stage '(\S+)'", done.stdout)
    assert "train@roi_cnn" in stages
    assert {"clips", "faces"}.isdisjoint(stages)


def test_all_commands_work_in_a_new_project_and_git_has_no_large_file(project: Path, complete: Run) -> None:
    for command in ("doctor", "compare roi_cnn majority", "sync", "register roi_cnn", "promote --bootstrap", "lineage"):
        done = complete(project, "microfacial", *command.split())
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    listed = complete(project, "git", "ls-files", "--others", "--cached", "--exclude-standard").stdout.split()
    expected = {".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "Makefile", "data.dvc", "dvc.lock"}
    expected |= {"dvc.yaml", "mlflow.db", "mlruns/.gitignore", "params.yaml", "results/tiny/reports/metrics.json"}
    expected |= {"results/tiny/reports/scores.json"}
    assert set(listed) == expected


def test_the_core_reads_draws_checks_spots_and_predicts_without_a_project(
    project: Path, core: Run, complete: Run, tmp_path: Path
) -> None:
    done = core(tmp_path, "microfacial", "--version")
    assert done.stdout.split()[-1] == __version__
    plan = DemoPlan(identities=1, clips_per_identity=1, others=0)
    write_demo(tmp_path / "mine", plan)
    done = core(tmp_path, "microfacial", "doctor", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    clip = next((tmp_path / "mine").rglob("reg_img*")).parent
    done = core(tmp_path, "microfacial", "spot", str(clip), "--fps", "200")
    assert done.returncode == 0, done.stderr
    moments = re.search(r"spot: onset (\d+).*, apex (\d+).*, offset (\d+)", done.stdout)
    assert moments is not None
    done = core(tmp_path, "microfacial", "demo", "mine")
    assert (done.returncode, "mine already exists" in done.stderr) == (2, True)
    if not list(project.rglob("artifacts/bundle")):
        assert complete(project, "microfacial", "register", "roi_cnn").returncode == 0
    bundle = next(project.rglob("artifacts/bundle"))
    done = core(tmp_path, "microfacial", "predict", "--model", str(bundle), str(clip), "--fps", "200")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\w+ +\(happiness 0\.\d{3}", done.stdout)
    code = f"import microfacial as mf; print(mf.read_clip({str(clip)!r}, {', '.join(moments.groups())}).flow.shape)"
    assert core(tmp_path, "python", "-c", code).stdout == "(1, 5, 2, 224, 224)\n"


def test_stages_that_need_no_extra_run_without_extras(project: Path, core: Run) -> None:
    for command in ("code", "clips", "faces", "flow", "report", "compare roi_cnn majority"):
        done = core(project, "microfacial", *command.split())
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", NEED_EXTRAS)
def test_a_command_without_its_extra_prints_one_line(command: str, core: Run, tmp_path: Path) -> None:
    """The project is new: the extra is missed before its data."""
    (tmp_path / "params.yaml").write_text(TINY_PARAMS)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    done = core(tmp_path, "microfacial", *command.split())
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("waiting: "))  # on a busy machine
    assert f'`pip install "microfacial[{NEED_EXTRAS[command]}]"`' in line
