from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import make_clip
from microfacial.errors import StorageError
from microfacial.preprocessing.store import (
    FEATURE_FILES,
    features_digest,
    read_crops,
    read_faces,
    read_faces_of,
    read_flow,
    read_store,
    write_faces,
    write_flow,
)
from microfacial.records import Face

CLIPS = [make_clip(name=name) for name in ("a", "b")]
FACES = [
    Face(
        clip=clip.id,
        transform=np.array([[0.5, -0.1, column], [0.1, 0.5, 1 / 3]]),
        boxes=((1, 2, 3, 4),),
        source="landmarks",
        confidence=0.9,
    )
    for column, clip in enumerate(CLIPS)
]


def write(folder: Path) -> None:
    crops = (np.full((2, 4, 4, 3), row, np.uint8) for row in range(2))
    write_faces(folder, 2, zip(FACES, crops, strict=True), ("eyes",), 4)


def test_faces_survive_a_round_trip(tmp_path: Path) -> None:
    write(tmp_path / "faces")
    faces, regions, size_px = read_faces(tmp_path / "faces")
    assert (regions, size_px) == (("eyes",), 4)
    for face, expected in zip(faces, FACES, strict=True):
        assert np.array_equal(face.transform, expected.transform)
        assert replace(face, transform=expected.transform) == expected
    assert read_crops(tmp_path / "faces", [face.clip for face in FACES], 4)[:, 0, 0, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"transform": np.zeros((2, 3))},
        {"transform": np.array([[1e9, 0, 0], [0, 1e9, 0]])},
        {"transform": np.array([[1, 0, 1e300], [0, 1, 0]])},
        {"transform": np.array([[0, 1, 0], [1, 0, 0]])},
        {"confidence": 7.0},
        {"confidence": -0.1},
    ],
    ids=["zero", "large", "far", "mirrored", "confidence 7", "confidence -0.1"],
)
def test_an_impossible_face_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    faces = [FACES[0], replace(FACES[1], **changes)]
    crops = np.zeros((2, 2, 4, 4, 3), np.uint8)
    write_faces(tmp_path / "faces", 2, zip(faces, crops, strict=True), ("eyes",), 4)
    with pytest.raises(StorageError, match=r"faces\.json.*c/s/b"):
        read_faces(tmp_path / "faces")


def test_faces_of_clips_are_in_the_order_of_the_clips(tmp_path: Path) -> None:
    write(tmp_path / "faces")
    faces, size_px = read_faces_of(tmp_path / "faces", CLIPS[::-1])
    assert [face.clip for face in faces] == [clip.id for clip in CLIPS[::-1]]
    assert size_px == 4


def test_a_clip_without_a_face_is_named(tmp_path: Path) -> None:
    write(tmp_path / "faces")
    with pytest.raises(StorageError, match="c/s/new"):
        read_faces_of(tmp_path / "faces", [*CLIPS, make_clip(name="new")])


def test_faces_and_flow_of_different_clips_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "faces")
    flow = np.zeros((1, 2, 4, 4), np.float16)
    write_flow(tmp_path / "flow", ["c/s/a"], [(0, flow)], (["onset>apex"], 2, "px"), 4)
    with pytest.raises(StorageError, match=r"flow.*faces"):
        read_store(tmp_path / "flow", tmp_path / "faces")


@pytest.mark.parametrize("name", FEATURE_FILES)
def test_the_digest_of_features_changes_with_each_file(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / other for other in FEATURE_FILES):
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    before = features_digest(tmp_path)
    (tmp_path / name).write_text("2")
    assert features_digest(tmp_path) != before
    (tmp_path / name).unlink()
    with pytest.raises(StorageError, match=Path(name).name):
        features_digest(tmp_path)


def test_flow_is_stored_in_the_order_of_the_clips(tmp_path: Path) -> None:
    flow = np.full((1, 2, 4, 4), 1.5, np.float16)
    layout = (["onset>apex"], 2, "px")
    write_flow(tmp_path / "flow", ["a", "b"], [(1, flow), (0, 2 * flow)], layout, 4)  # type: ignore[arg-type]
    index, stored = read_flow(tmp_path / "flow", 4)
    assert np.array_equal(stored, np.stack([2 * flow, flow]))
    assert (index.unit, index.windows, index.clips) == ("px", ("onset>apex",), ("a", "b"))
