"""Command `init`: a new project, folders with files, and enclosing repositories."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from command_line import run
from microfacial.errors import ConfigError, PipelineError, StorageError
from microfacial.pipeline import dvc, new_project
from microfacial.pipeline.commands.init import run_init
from microfacial.pipeline.data_version import find_version_file
from microfacial.pipeline.new_project import create_project
from microfacial.pipeline.project import open_project
from microfacial.pipeline.template_files import read_template
from processes import git

FILES = (".dvcignore", ".gitignore", "Makefile", "dvc.yaml", "mlflow.db", "mlruns/.gitignore", "params.yaml")


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project inside a repository of git that does not ignore it. Tests must not write into it."""
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "--quiet")
    create_project(root / "project", ("casme2",))
    return root / "project"


@pytest.fixture
def no_dvc(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Replace DVC, which takes seconds. Return the calls."""
    calls = []

    def run_module(*arguments: str, **_: object) -> "subprocess.CompletedProcess[str]":
        calls.append(arguments)
        (Path(arguments[2]) / ".dvc").mkdir()
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(new_project, "run_module", run_module)
    return calls


def test_a_project_has_all_files_and_both_repositories(created: Path) -> None:
    assert all((created / name).is_file() for name in FILES if name != "mlflow.db")
    assert (created / "mlflow.db").readlink() == Path("mlruns/mlflow.db")
    assert (created / "data").is_dir()
    assert (created / ".dvc" / "config").read_text() == "[core]\n    analytics = false\n"
    assert not (created / ".git").exists()  # the enclosing repository has it
    staged = set(git(created, "diff", "--cached", "--name-only", "--relative").split())
    assert {*FILES, ".dvc/config", ".dvc/.gitignore"} == staged
    with chdir(created):
        assert open_project().clips.corpora == ("casme2",)


def test_a_new_folder_gets_its_own_repositories(tmp_path: Path, no_dvc: list[tuple[str, ...]]) -> None:
    assert create_project(tmp_path / "new" / "project", ("demo",)) == sorted(FILES)
    assert (tmp_path / "new" / "project" / ".git").is_dir()
    assert no_dvc == [("dvc", "--cd", str(tmp_path / "new" / "project"), "init", "--quiet")]


def test_a_folder_that_an_enclosing_repository_ignores_gets_its_own(
    tmp_path: Path, no_dvc: list[tuple[str, ...]]
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("/scratch/\n")
    create_project(tmp_path / "scratch", ("demo",))
    create_project(tmp_path / "part", ("demo",))
    assert (tmp_path / "scratch" / ".git").is_dir()
    assert not (tmp_path / "part" / ".git").exists()
    assert ["--subdir" in call for call in no_dvc] == [False, True]


def test_init_can_be_repeated_and_keeps_data_and_lines_of_ignore_files(
    tmp_path: Path, no_dvc: list[tuple[str, ...]]
) -> None:
    (tmp_path / "data" / "casme2").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("/data\nmine")
    create_project(tmp_path, ("casme2",))
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["/data", "mine"]
    assert set(filter(None, read_template("gitignore").splitlines())) <= set(lines)
    assert len(lines) == len(set(lines))
    create_project(tmp_path, ("casme2",))
    assert (tmp_path / ".gitignore").read_text().splitlines() == lines
    assert len(no_dvc) == 1
    assert (tmp_path / "data" / "casme2").is_dir()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "Makefile"])
def test_an_existing_file_is_not_overwritten(name: str, tmp_path: Path, no_dvc: list[tuple[str, ...]]) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(PipelineError, match=name):
        create_project(tmp_path, ("demo",))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    assert no_dvc == []


def _make_file(folder: Path) -> None:
    folder.touch()


def _make_unreadable_ignore_file(folder: Path) -> None:
    folder.mkdir()
    (folder / ".gitignore").write_bytes(b"caf\xe9\n")


def _make_folder_of_a_file(folder: Path) -> None:
    (folder / "params.yaml").mkdir(parents=True)


def _make_file_of_a_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "mlruns").touch()


@pytest.mark.parametrize(
    ("prepare", "kind", "named"),
    [
        (_make_file, PipelineError, "here"),
        (_make_unreadable_ignore_file, StorageError, ".gitignore"),
        (_make_folder_of_a_file, PipelineError, "params.yaml"),
        (_make_file_of_a_folder, PipelineError, "mlruns"),
    ],
)
@pytest.mark.usefixtures("no_dvc")
def test_a_folder_that_cannot_become_a_project_is_named(
    prepare: Callable[[Path], None], kind: type[Exception], named: str, tmp_path: Path
) -> None:
    prepare(tmp_path / "here")
    with pytest.raises(kind, match=named):
        create_project(tmp_path / "here", ("demo",))
    assert not (tmp_path / "here" / "dvc.yaml").exists()


def test_a_failure_of_dvc_gives_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 255, "", "ERROR: failed to initiate DVC - no room\n")
    monkeypatch.setattr(new_project, "run_module", lambda *_, **__: failed)
    with pytest.raises(PipelineError, match="no room"):
        create_project(tmp_path / "project", ("demo",))


@pytest.mark.parametrize(
    ("corpora", "steps"),
    [
        ((), "microfacial repro"),
        (("casme2", "smic_hs"), "microfacial doctor data && dvc add data && microfacial repro"),
    ],
)
@pytest.mark.usefixtures("no_dvc")
def test_the_next_steps_depend_on_the_corpora(
    corpora: tuple[str, ...], steps: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_init(tmp_path / "p", corpora)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Next: cd {tmp_path / 'p'} && {steps}"
    assert [line for line in lines if "data/smic" in line] == lines[1:-1]


def test_a_wrong_corpus_gives_one_line_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "init", "new", "--corpus", "casme4") == 2
    assert "casme4" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="casme3, samm"):
        run_init(tmp_path / "new", ["casme3", "samm"])
    assert list(tmp_path.iterdir()) == []


# --- the demo of a new project ----------------------------------------------------------------------------------------


def test_repro_records_the_demo_that_it_has_written_itself(
    project: Path, tiny_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree("data/demo")
    calls = []

    def run_module(*arguments: str, **_: object) -> "subprocess.CompletedProcess[str]":
        calls.append(arguments)
        if "add" in arguments:
            Path("data.dvc").write_text("outs:\n- {md5: aa.dir, path: data}\n")
        return subprocess.CompletedProcess(arguments, 0, "", "")

    def run_dvc(_: int) -> int:
        calls.append(("dvc", "repro"))
        return 0

    monkeypatch.setattr(dvc, "make_demo", lambda _: shutil.copytree(tiny_demo, "data/demo"))
    monkeypatch.setattr(dvc, "run_module", run_module)
    monkeypatch.setattr(dvc, "clear_locks", lambda: None)
    monkeypatch.setattr(dvc, "check_data", lambda root: f"{find_version_file(root)}")
    dvc.reproduce(open_project(), 1, run_dvc)
    assert calls == [("dvc", "add", "--quiet", "data"), ("dvc", "repro")]
    shutil.rmtree("data/demo")
    dvc.reproduce(open_project(), 1, run_dvc)
    assert calls[2:] == [("dvc", "repro")]
