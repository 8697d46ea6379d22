"""Faces and flow are computed for new and changed clips only. The files are those of a full computation."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.clips import run_clips
from microfacial.pipeline.stages.faces import run_faces
from microfacial.pipeline.stages.flow import run_flow
from microfacial.preprocessing import face_jobs, flow_jobs
from microfacial.preprocessing.faces import locate
from microfacial.preprocessing.flow import compute_clip_flow
from microfacial.records import Clip


@pytest.fixture
def copy(computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of a computed project with its caches. It is the current folder."""
    root = Path(shutil.copytree(computed, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Return the ids of clips whose faces and whose flow are computed."""
    faces: list[str] = []
    flow: list[str] = []

    def count(ids: list[str], compute: Callable[..., object]) -> Callable[..., object]:
        def counting(clip: Clip, *rest: object) -> object:
            ids.append(clip.id)
            return compute(clip, *rest)

        return counting

    monkeypatch.setattr(face_jobs, "locate", count(faces, locate))
    monkeypatch.setattr(flow_jobs, "compute_clip_flow", count(flow, compute_clip_flow))
    return faces, flow


def run_stages() -> dict[str, bytes]:
    """Run the stages up to flow, as DVC does, which deletes outputs first. Return the files of faces and flow."""
    project = open_project()
    for name in ("faces", "flow"):
        shutil.rmtree(project.results / name)
    run_clips(project)
    run_faces(project)
    run_flow(project, processes=1)
    return read_files()


def read_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for name in ("faces", "flow") for path in Path("results/tiny", name).iterdir()}


def darken(frame: Path) -> None:
    image = cv2.imread(str(frame))
    assert image is not None
    cv2.imwrite(str(frame), image // 2)


def test_one_changed_clip_recomputes_only_its_own_faces_and_flow(
    copy: Path, counted: tuple[list[str], list[str]]
) -> None:
    before = read_files()
    frame = min(Path("data/demo").rglob("reg_img*.jpg"))
    darken(frame)
    incremental = run_stages()
    changed = f"demo/{frame.parent.parent.name}/{frame.parent.name}"
    assert counted == ([changed], [changed])
    assert incremental != before
    assert len(list(Path(".microfacial/tiny").rglob("*.npz"))) == 2 * 12
    shutil.rmtree(".microfacial")
    assert run_stages() == incremental


def test_clips_that_leave_and_return_are_computed_alone(copy: Path, counted: tuple[list[str], list[str]]) -> None:
    before = read_files()
    params = Path("params.yaml").read_text()
    clip = "/".join(Path("results/tiny/clips.csv").read_text().splitlines()[1].split(",")[:3])
    Path("params.yaml").write_text(params.replace("scheme:", f"exclude: [{clip}], scheme:"))
    without = run_stages()
    assert counted == ([], [])
    assert without.keys() == before.keys()
    Path("params.yaml").write_text(params)
    assert run_stages() == before
    assert counted == ([clip], [clip])


def test_a_kill_in_the_stage_faces_loses_no_finished_face(
    copy: Path, counted: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_files()
    shutil.rmtree(".microfacial/tiny/faces")
    process = os.fork()
    if process == 0:
        located: list[str] = []

        def kill(clip: Clip, *rest: object) -> object:
            located.append(clip.id)
            if len(located) == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return locate(clip, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(face_jobs, "locate", kill)
        os.chdir(copy)
        run_faces(open_project())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    assert run_stages() == before
    assert len(counted[0]) == 12 - 4
    assert counted[1] == []
