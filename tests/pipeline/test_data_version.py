"""The guard of the data: only proof of equality passes."""

import json
import os
import shutil
from pathlib import Path

import pytest

from command_line import run
from microfacial.errors import PipelineError
from microfacial.pipeline.data_version import check_data, data_version, find_version_file, refuse_links
from processes import dvc, git


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DVC repository with three small files in data/, whose cache is empty. Tests copy it."""
    root = tmp_path_factory.mktemp("version") / "clone"
    (root / "data" / "demo").mkdir(parents=True)
    (root / "data" / "other").mkdir()
    for name in ("demo/a.txt", "demo/b.txt", "other/c.txt"):
        (root / "data" / name).write_text(f"content of {name}")
    git(root, "init", "--quiet")
    assert dvc(root, "init").returncode == 0
    assert dvc(root, "add", "data").returncode == 0
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / ".dvc" / "tmp", ignore_errors=True)
    return root


@pytest.fixture
def cloned(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(shutil.copytree(clone, tmp_path / "a project"))
    monkeypatch.chdir(root)
    return root


def test_equal_data_pass_without_a_cache_and_different_data_do_not(cloned: Path) -> None:
    recorded = Path("data.dvc").read_bytes()
    assert check_data() == "data/ is the version in data.dvc"
    shutil.rmtree("data/other")
    with pytest.raises(PipelineError, match=r"data/ .*data\.dvc.*`dvc add data`"):
        check_data()
    assert Path("data.dvc").read_bytes() == recorded


def test_a_change_that_keeps_size_and_time_is_found_after_a_proof(cloned: Path) -> None:
    check_data()
    proofs = Path(".microfacial/data-proofs.json")
    proofs.write_text(json.dumps({"data.dvc": json.loads(proofs.read_text())["data.dvc"] + 3}))  # skip the clock's step
    check_data()
    path = Path("data/demo/a.txt")
    status, content = path.stat(), path.read_bytes()
    proofs.write_text(json.dumps({"data.dvc": status.st_ctime}))
    path.write_bytes(content[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    with pytest.raises(PipelineError, match=r"data\.dvc"):
        check_data()


@pytest.mark.parametrize("content", ["", "[]", "{", "{} trailing", '{"data.dvc": NaN}', '{"data.dvc": 1e15}'])
def test_a_damaged_record_of_proofs_proves_nothing(cloned: Path, content: str) -> None:
    Path(".microfacial").mkdir()
    Path(".microfacial/data-proofs.json").write_text(content)
    assert check_data() == "data/ is the version in data.dvc"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("data.dvc", b"outs: []\n"),
        ("data.dvc", b"\xff\xfe\x00"),
        ("data.dvc", b"outs:\n- md5: 5\n  path: data\n"),
        ("data.dvc", b"outs:\n- path: data\n"),
        ("data.dvc", b"outs:\n- md5: 73d0866f43e43d66fe3018513e4706d1.dir\n  path: elsewhere\n"),
        (".dvc/config", b"[core\n"),
        (".git/HEAD", b"\x00junk"),
        (".dvcignore", b"/data\n"),
    ],
)
def test_junk_in_files_of_dvc_and_git_is_no_proof(cloned: Path, file: str, content: bytes) -> None:
    Path(file).write_bytes(content)
    if file == ".git/HEAD":  # DVC compares data without git
        assert check_data() == "data/ is the version in data.dvc"
        return
    with pytest.raises(PipelineError) as caught:
        check_data()
    assert "\n" not in str(caught.value)
    assert "data.dvc" in str(caught.value)
    assert file in str(caught.value).rpartition(". ")[2]  # the remedy


def test_a_folder_without_a_dvc_repository_is_no_proof(cloned: Path) -> None:
    shutil.rmtree(".dvc")
    with pytest.raises(PipelineError, match=r"data\.dvc.*`dvc init`"):
        check_data()


def test_data_without_a_version_are_refused_with_the_command_that_records_one(cloned: Path) -> None:
    Path("data.dvc").unlink()
    with pytest.raises(PipelineError, match="`dvc add data`"):
        check_data()
    shutil.rmtree("data")
    with pytest.raises(PipelineError, match="`dvc pull`"):
        check_data()


@pytest.mark.parametrize(
    ("root", "file"),
    [("data", "data.dvc"), ("data/demo", "data.dvc"), ("./data/", "data.dvc"), ("other", None), ("../data", None)],
)
def test_the_version_file_belongs_to_the_root_or_to_a_parent(cloned: Path, root: str, file: str | None) -> None:
    assert find_version_file(Path(root)) == (Path(file) if file else None)
    assert find_version_file(cloned / root) == (Path(file) if file else None)
    assert data_version(Path(root)).endswith(".dir" if file else "unversioned")


@pytest.mark.parametrize(
    "text", ["outs: []", "outs: 3", "[]", "", "{", "outs: [{md5: 5}]", "outs: [{}]", "outs: [{md5: a}, {md5: b}]"]
)
def test_a_damaged_version_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.dvc").write_text(text)
    with pytest.raises(PipelineError, match=r"data\.dvc .*`git checkout data\.dvc`"):
        data_version()


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["data", "data/casme2", "data/casme2/Cropped/sub01", "data/casme2/sheet.xlsx"])
def test_links_at_or_below_the_root_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "disk" / ("sheet.xlsx" if link.endswith("xlsx") else "corpus")
    target.mkdir(parents=True)
    if link.endswith("xlsx"):
        target.rmdir()
        target.touch()
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(target)
    for root in ("data", "data/casme2") if link == "data" else ("data",):
        with pytest.raises(PipelineError) as caught:
            refuse_links(Path(root))
        assert str(caught.value).startswith(f"{link} ")
        assert str(target) in str(caught.value)


def test_a_broken_link_is_refused_and_files_in_the_cache_of_dvc_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cached = tmp_path / ".dvc" / "cache" / "files" / "md5" / "0a" / ("b" * 30)
    cached.parent.mkdir(parents=True)
    cached.touch()
    Path("data").mkdir()
    Path("data/frame.jpg").symlink_to(cached)
    refuse_links(Path("data"))
    Path("data/gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PipelineError, match="data/gone "):
        refuse_links(Path("data"))


def test_a_link_above_a_root_outside_of_the_project_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "disk" / "corpora").mkdir(parents=True)
    (tmp_path / "mounted").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path / "project")
    refuse_links(tmp_path / "mounted" / "corpora")
    assert "outside" in check_data(tmp_path / "mounted" / "corpora")


def test_a_root_inside_of_the_project_by_another_name_needs_its_version(cloned: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(cloned)
    assert find_version_file(tmp_path / "linked" / "data") == Path("data.dvc")
    shutil.rmtree("data/other")
    with pytest.raises(PipelineError, match=r"data\.dvc"):
        check_data(tmp_path / "linked" / "data")


def test_the_stage_clips_refuses_a_linked_corpus(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data" / "demo").rename(project / "elsewhere")
    (project / "data" / "demo").symlink_to(project / "elsewhere")
    assert run(monkeypatch, "clips") == 2
    assert capsys.readouterr().err.startswith("microfacial: data/demo is a symbolic link to ")
