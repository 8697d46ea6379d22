import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from fakes import texture
from microfacial.errors import StorageError
from microfacial.preprocessing import landmarks
from microfacial.preprocessing.landmarks import find_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS

PHOTO: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
EYES = [[203, 101], [246, 103]]  # as read off the photograph for the demo
TOP, LEFT = 20, 120
CROP = np.ascontiguousarray(PHOTO[TOP:220, LEFT:330])


def points(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    found = find_landmarks(image)
    assert found is not None
    return found.points


def eyes(of: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([of[list(corners)].mean(axis=0) for corners in EYE_CORNERS])


@pytest.fixture
def threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("top", "left", "bottom", "right"), [(0, 0, 512, 512), (TOP, LEFT, 220, 330), (60, 172, 178, 280)]
)
def test_eyes_are_where_they_were_photographed_in_the_scene_as_in_crops(
    top: int, left: int, bottom: int, right: int
) -> None:
    found = find_landmarks(PHOTO[top:bottom, left:right])
    assert found is not None
    assert found.points.shape == (468, 2)
    assert eyes(found.points) + np.array([left, top]) == pytest.approx(np.array(EYES), abs=1.5)
    assert 0.5 <= found.confidence <= 1


@pytest.mark.parametrize(
    ("degrees", "scale", "right", "down"),
    [(0, 1, 7.3, -4.6), (20, 1, 0, 0), (-20, 1, 0, 0), (0, 2.5, 0, 0), (10, 0.6, 3, 5)],
)
def test_points_move_turn_and_grow_with_the_picture(degrees: float, scale: float, right: float, down: float) -> None:
    motion = np.array(cv2.getRotationMatrix2D((105, 100), degrees, scale), dtype=np.float64)
    motion[:, 2] += [right + 105 * (scale - 1), down + 100 * (scale - 1)]
    size = (round(210 * max(scale, 1)), round(200 * max(scale, 1)))
    moved = cv2.warpAffine(CROP, motion, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    expected = points(CROP) @ motion[:, :2].T + motion[:, 2]
    distances = np.hypot(*(points(np.asarray(moved, dtype=np.uint8)) - expected).T)
    assert distances.mean() < 0.6 * max(scale, 1)
    assert distances.max() < 2.0 * max(scale, 1)


def test_in_a_mirrored_picture_left_stays_the_pictures_left() -> None:
    mirrored = points(np.ascontiguousarray(CROP[:, ::-1]))
    expected = (eyes(points(CROP)) * [-1, 1] + [CROP.shape[1] - 1, 0])[::-1]
    assert eyes(mirrored) == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("image", [texture(200, 210), texture(85, 70, 3), np.zeros((100, 120, 3), np.uint8)])
def test_where_there_is_no_face_none_is_found(image: NDArray[np.uint8]) -> None:
    assert find_landmarks(image) is None


@pytest.mark.usefixtures("threads")
def test_the_same_picture_gives_the_same_bytes_on_one_thread_and_on_several() -> None:
    results = set()
    for count in (1, 1, 2):
        cv2.setNumThreads(count)
        results.add(points(CROP).tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("top", "left", "bottom", "right"), [(87, 186, 158, 263), (78, 187, 154, 266)])
def test_faces_that_fill_the_crop_are_found(top: int, left: int, bottom: int, right: int) -> None:
    """Without a grey border the detector misses these two."""
    assert eyes(points(PHOTO[top:bottom, left:right])) + np.array([left, top]) == pytest.approx(np.array(EYES), abs=2)


def test_faces_that_are_small_in_the_scene_are_found() -> None:
    """With a grey border the detector misses this one: the eyes are 43 px apart in a frame of 712×512 px."""
    scene = np.asarray(cv2.copyMakeBorder(PHOTO, 0, 0, 100, 100, cv2.BORDER_REPLICATE), dtype=np.uint8)
    assert eyes(points(scene)) == pytest.approx(np.array(EYES) + np.array([100, 0]), abs=1.5)


@pytest.mark.parametrize("name", ["face_detection_short_range.tflite", "face_landmark.tflite"])
@pytest.mark.parametrize("missing", [False, True])
def test_damaged_or_missing_weights_are_refused(
    name: str, missing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path(shutil.copytree(landmarks.WEIGHTS, tmp_path / "weights"))
    content = bytearray((weights / name).read_bytes())
    content[len(content) // 2] ^= 1
    (weights / name).write_bytes(content)
    if missing:
        (weights / name).unlink()
    monkeypatch.setattr(landmarks, "WEIGHTS", weights)
    with pytest.raises(StorageError, match=f"{name} is missing or damaged.*Reinstall"):
        find_landmarks(CROP)
