import subprocess
from pathlib import Path

import pytest

from microfacial.errors import PipelineError, StorageError
from microfacial.pipeline.provenance import dvc_hash, file_hash, git_tags, is_tracked_by_git


def test_the_hash_of_a_folder_equals_the_hash_of_dvc(tmp_path: Path) -> None:
    """`dvc add` of DVC 3.67 wrote the expected value for these two files."""
    (tmp_path / "b.txt").write_text("two\n")
    (tmp_path / "a.txt").write_text("one\n")
    assert dvc_hash(tmp_path) == "0db8483de05df6afc987b04d47a9746b.dir"


def test_results_of_a_stage_that_did_not_run_are_named_with_the_remedy(tmp_path: Path) -> None:
    for hashed, path in ((file_hash, tmp_path / "clips.csv"), (dvc_hash, tmp_path / "flow")):
        with pytest.raises(StorageError, match=f"{path}.*dvc repro"):
            hashed(path)


def test_files_that_the_pipeline_writes_do_not_count_as_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    metrics = tmp_path / "results" / "d" / "reports" / "metrics.json"
    metrics.parent.mkdir(parents=True)
    for path in (metrics, tmp_path / "dvc.lock", tmp_path / "params.yaml"):
        path.write_text("before")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a")
    monkeypatch.chdir(tmp_path)
    metrics.write_text("after")
    (tmp_path / "dvc.lock").write_text("after")
    assert git_tags()["microfacial.git_dirty"] == "false"
    (tmp_path / "params.yaml").write_text("after")
    assert git_tags()["microfacial.git_dirty"] == "true"


def test_a_file_is_tracked_if_a_checkout_contains_it_and_does_not_ignore_it(tmp_path: Path) -> None:
    path = tmp_path / "pages" / "page.png"
    assert not is_tracked_by_git(path)  # no checkout
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert is_tracked_by_git(path)
    (tmp_path / ".gitignore").write_text("/pages/\n")
    assert not is_tracked_by_git(path)


@pytest.mark.parametrize("fault", ["git is missing", "HEAD is damaged", "no commit", "no checkout"])
def test_origin_is_unknown_if_git_gives_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault != "no checkout":
        subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    if fault == "HEAD is damaged":
        (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\x00")
    if fault == "git is missing":
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tags = git_tags()
    assert tags["microfacial.git_commit"] == "unknown"
    assert tags["microfacial.git_dirty"] == ("false" if fault == "no commit" else "unknown")


@pytest.mark.parametrize("fault", ["git is missing", "HEAD is damaged"])
def test_a_missing_answer_of_git_is_no_proof_that_a_file_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    if fault == "HEAD is damaged":
        (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\x00")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PipelineError, match="git"):
        is_tracked_by_git(tmp_path / "pages" / "page.png")
