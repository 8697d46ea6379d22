from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import make_clip, texture
from microfacial.errors import DatasetError
from microfacial.files import write_image
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.preprocessing.flow_writer import FlowWriter
from microfacial.records import Clip, Face

CLIPS = [make_clip(name=name, digest=name, frames=f"{name}{{}}.png") for name in ("a", "b")]
CONFIG = FlowConfig(method="farneback", head_motion="off")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Frames of both clips, in which the content of clip b moves faster."""
    for speed, clip in enumerate(CLIPS, 1):
        for number in (1, 3, 5, 7, 9):
            write_image(tmp_path / "data" / clip.frame(number), np.roll(texture(40, 40), speed * number, axis=1))
    return tmp_path / "data"


def compute(root: Path, clips: Sequence[Clip] = CLIPS, **changes: Any) -> tuple[FlowWriter, list[tuple[int, int]]]:
    """Compute flow and return the calls of `report`."""
    calls: list[tuple[int, int]] = []
    faces = [Face(clip=clip.id, transform=np.eye(2, 3), boxes=(), source="template", confidence=None) for clip in clips]
    settings: dict[str, Any] = {"folder": root.parent / "state", "frames_root": root, "processes": 1, "code": "1"}
    writer = compute_flow_of_clips(
        clips, faces, 40, CONFIG, **{**settings, **changes}, report=lambda done, total: calls.append((done, total))
    )
    return writer, calls


def test_flow_is_in_the_order_of_the_clips(root: Path) -> None:
    writer, calls = compute(root)
    flow = writer.read()
    assert flow.shape == (2, 5, 2, 40, 40)
    assert calls == [(0, 2), (1, 2), (2, 2)]
    reversed_flow = compute(root, CLIPS[::-1])[0].read()
    assert np.array_equal(reversed_flow, flow[::-1])
    assert not np.array_equal(flow[0], flow[1])


def test_finished_clips_are_not_computed_again(root: Path) -> None:
    first, _ = compute(root)
    for path in root.iterdir():
        path.unlink()
    second, calls = compute(root)
    assert calls == [(2, 2)]
    assert np.array_equal(second.read(), first.read())


def test_an_interrupted_run_continues_with_the_missing_clip(root: Path) -> None:
    frame = root / CLIPS[1].frame(9)
    content = frame.read_bytes()
    frame.unlink()
    with pytest.raises(DatasetError, match="b9"):
        compute(root)
    frame.write_bytes(content)
    assert compute(root)[1] == [(1, 2), (2, 2)]


@pytest.mark.parametrize("changes", [{"code": "2"}, {"clips": [replace(CLIPS[0], digest="changed"), CLIPS[1]]}])
def test_flow_of_other_code_or_frames_is_not_reused(root: Path, changes: dict[str, Any]) -> None:
    compute(root)
    assert compute(root, **changes)[1][0] == (0, 2)
