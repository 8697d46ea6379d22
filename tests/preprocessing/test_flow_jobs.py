import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import make_clip, texture
from microfacial.datasets.frames import digest_frames
from microfacial.errors import DatasetError, StorageError
from microfacial.files import write_image
from microfacial.preprocessing import clip_cache
from microfacial.preprocessing.clip_cache import ClipCache
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.records import Clip, Face

CLIPS = [make_clip(name=name, frames=f"{name}{{}}.png") for name in ("a", "b")]
CONFIG = FlowConfig(method="farneback", head_motion="off")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Frames of both clips, in which the content of clip b moves faster."""
    for speed, clip in enumerate(CLIPS, 1):
        for number in range(1, 10):
            write_image(tmp_path / "data" / clip.frame(number), np.roll(texture(40, 40), speed * number, axis=1))
    return tmp_path / "data"


def compute(
    root: Path, clips: Sequence[Clip] = CLIPS, **changes: Any
) -> tuple[NDArray[np.float16], list[tuple[int, int]]]:
    """Return flow in the order of the clips, and the calls of `report`."""
    calls: list[tuple[int, int]] = []
    faces = [Face(clip=clip.id, transform=np.eye(2, 3), boxes=(), source="template", confidence=None) for clip in clips]
    settings: dict[str, Any] = {
        "cache": ClipCache(root.parent / "state"),
        "frames_root": root,
        "processes": 1,
        "code": "1",
        "report": lambda done, total: calls.append((done, total)),
    }
    rows = dict(compute_flow_of_clips(clips, faces, 40, **{"config": CONFIG, **settings, **changes}))
    return np.stack([rows[row] for row in range(len(clips))]), calls


def test_flow_is_in_the_order_of_the_clips(root: Path) -> None:
    flow, calls = compute(root)
    assert flow.shape == (2, 5, 2, 40, 40)
    assert calls == [(0, 2), (1, 2), (2, 2)]
    assert np.array_equal(compute(root, CLIPS[::-1])[0], flow[::-1])
    assert not np.array_equal(flow[0], flow[1])


def test_finished_clips_are_not_computed_again(root: Path) -> None:
    first, _ = compute(root)
    for path in root.iterdir():
        path.unlink()
    second, calls = compute(root)
    assert calls == [(2, 2)]
    assert np.array_equal(second, first)


def test_an_interrupted_run_continues_with_the_missing_clip(root: Path) -> None:
    frame = root / CLIPS[1].frame(9)
    content = frame.read_bytes()
    frame.unlink()
    with pytest.raises(DatasetError, match="b9"):
        compute(root)
    frame.write_bytes(content)
    assert compute(root)[1] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"apex": 3},
        {"onset": 3},
        {"offset": 7},
        {"numbers": (1, 3, 5, 7, 9)},
        {"name": "new", "frames": "a{}.png"},
    ],
    ids=str,
)
def test_only_a_changed_or_a_new_clip_is_computed(root: Path, change: dict[str, Any]) -> None:
    compute(root)
    clips = [CLIPS[1], replace(CLIPS[0], **change)]
    incremental, calls = compute(root, clips)
    assert calls == [(1, 2), (2, 2)]
    assert incremental.tobytes() == compute(root, clips, cache=ClipCache(root.parent / "empty"))[0].tobytes()


def test_a_changed_label_changes_no_flow(root: Path) -> None:
    compute(root)
    assert compute(root, [replace(clip, label="other", notes="corrected") for clip in CLIPS])[1] == [(2, 2)]


@pytest.mark.parametrize("changes", [{"code": "2"}, {"config": FlowConfig(method="farneback")}], ids=str)
def test_flow_of_other_code_or_settings_is_not_reused(root: Path, changes: dict[str, Any]) -> None:
    compute(root)
    assert compute(root, **changes)[1][0] == (0, 2)


def test_flow_of_other_libraries_is_not_reused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute(root)
    monkeypatch.setattr(clip_cache, "find_installed", lambda name: (name, "99"))
    assert compute(root)[1][0] == (0, 2)


def test_clips_whose_frames_have_changed_are_refused_and_not_stored(root: Path) -> None:
    clips = [replace(clip, digest=digest_frames(clip, root)) for clip in CLIPS]
    expected, _ = compute(root, clips)
    shutil.rmtree(root.parent / "state")
    path = root / clips[0].frame(clips[0].apex)
    content = path.read_bytes()
    path.write_bytes((root / clips[1].frame(clips[1].apex)).read_bytes())
    with pytest.raises(DatasetError, match=clips[0].id):
        compute(root, clips)
    listed = [replace(clip, digest=digest_frames(clip, root)) for clip in clips]
    assert compute(root, listed)[1] == [(0, 2), (1, 2), (2, 2)]
    path.write_bytes(content)
    again, calls = compute(root, clips)
    assert calls == [(1, 2), (2, 2)]
    assert np.array_equal(again, expected)


def test_flow_of_another_shape_is_refused(root: Path) -> None:
    compute(root)
    for path in (root.parent / "state").rglob("*.npz"):
        np.savez(path, key=path.stem, flow=np.zeros((1, 2, 40, 40), np.float16))
    with pytest.raises(StorageError, match=r"\.npz .*\(1, 2, 40, 40\)"):
        compute(root)
