import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from fakes import texture
from microfacial.errors import StorageError
from microfacial.preprocessing import face_networks, landmarks
from microfacial.preprocessing.face_networks import FaceSquare, detect_faces, enclose_points, fit_mesh
from microfacial.preprocessing.landmarks import BORDERS, find_all_landmarks, find_landmarks, follow_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS

PHOTO: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
EYES = [[203, 101], [246, 103]]  # read off the photograph by hand
TOP, LEFT = 20, 120
CROP = np.ascontiguousarray(PHOTO[TOP:220, LEFT:330])


def find_points(image: NDArray[np.uint8]) -> NDArray[np.float64]:
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
def test_eyes_are_found_where_they_are_in_the_scene_and_in_crops(top: int, left: int, bottom: int, right: int) -> None:
    found = find_landmarks(PHOTO[top:bottom, left:right])
    assert found is not None
    assert found.points.shape == (468, 2)
    assert eyes(found.points) + np.array([left, top]) == pytest.approx(np.array(EYES), abs=1.5)
    assert 0.5 <= found.confidence <= 1


@pytest.mark.parametrize(
    ("degrees", "scale", "right", "down"),
    [(0, 1, 7.3, -4.6), (20, 1, 0, 0), (-20, 1, 0, 0), (0, 2.5, 0, 0), (10, 0.6, 3, 5)],
)
def test_points_move_rotate_and_scale_with_the_image(degrees: float, scale: float, right: float, down: float) -> None:
    motion = np.array(cv2.getRotationMatrix2D((105, 100), degrees, scale), dtype=np.float64)
    motion[:, 2] += [right + 105 * (scale - 1), down + 100 * (scale - 1)]
    size = (round(210 * max(scale, 1)), round(200 * max(scale, 1)))
    moved = cv2.warpAffine(CROP, motion, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    expected = find_points(CROP) @ motion[:, :2].T + motion[:, 2]
    distances = np.hypot(*(find_points(np.asarray(moved, dtype=np.uint8)) - expected).T)
    assert distances.mean() < 0.6 * max(scale, 1)
    assert distances.max() < 2.0 * max(scale, 1)


def test_left_is_the_images_left_in_a_mirrored_image_too() -> None:
    mirrored = find_points(np.ascontiguousarray(CROP[:, ::-1]))
    expected = (eyes(find_points(CROP)) * [-1, 1] + [CROP.shape[1] - 1, 0])[::-1]
    assert eyes(mirrored) == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("image", [texture(200, 210), texture(85, 70, 3), np.zeros((100, 120, 3), np.uint8)])
def test_an_image_without_a_face_gives_none(image: NDArray[np.uint8]) -> None:
    assert find_landmarks(image) is None


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_does_not_change_a_bit_of_the_points() -> None:
    results = set()
    for count in (1, 1, 2):
        cv2.setNumThreads(count)
        results.add(find_points(CROP).tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("top", "left", "bottom", "right"), [(87, 186, 158, 263), (78, 187, 154, 266)])
def test_faces_that_fill_the_crop_are_found(top: int, left: int, bottom: int, right: int) -> None:
    """The detector finds these two only with a grey border."""
    assert eyes(find_points(PHOTO[top:bottom, left:right])) + np.array([left, top]) == pytest.approx(
        np.array(EYES), abs=2
    )


def test_a_face_that_is_small_in_the_scene_is_found() -> None:
    """The detector finds this one only without a grey border: the eyes are 43 px apart in a frame of 712×512 px."""
    scene = np.asarray(cv2.copyMakeBorder(PHOTO, 0, 0, 100, 100, cv2.BORDER_REPLICATE), dtype=np.uint8)
    assert eyes(find_points(scene)) == pytest.approx(np.array(EYES) + np.array([100, 0]), abs=1.5)


@pytest.mark.parametrize("corner", [(40, 60), (700, 900), (420, 1500)])
def test_a_face_of_200_px_is_found_anywhere_in_a_frame_of_1920_by_1080_px(corner: tuple[int, int]) -> None:
    """The face is about 100 px wide in the photograph, so the crop is enlarged twice."""
    scene = np.full((1080, 1920, 3), 150, np.uint8)
    top, left = corner
    crop = PHOTO[50:200, 150:300]
    scene[top : top + 300, left : left + 300] = cv2.resize(crop, (300, 300), interpolation=cv2.INTER_CUBIC)
    expected = (np.array(EYES) - [150, 50]) * 2 + [left, top]
    assert eyes(find_points(scene)) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("larger_is_left", [True, False])
def test_the_larger_of_two_faces_is_chosen_and_both_are_counted(larger_is_left: bool) -> None:
    small = cv2.resize(CROP, (168, 160), interpolation=cv2.INTER_AREA)
    scene = np.full((200, 480, 3), 150, np.uint8)
    large_left, small_left = (0, 270) if larger_is_left else (200, 0)
    scene[:, large_left : large_left + 210], scene[20:180, small_left : small_left + 168] = CROP, small
    face = find_landmarks(scene)
    assert face is not None
    assert face.faces == 2
    assert eyes(face.points) - np.array([large_left, 0]) == pytest.approx(eyes(find_points(CROP)), abs=2)


def test_a_face_is_fitted_once_although_two_passes_detect_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mock(wraps=fit_mesh)
    monkeypatch.setattr(landmarks, "fit_mesh", mesh)
    assert len(find_all_landmarks(CROP)) == 1
    assert mesh.call_count == 3  # passes of the mesh for one face


def test_a_face_in_front_of_a_larger_one_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_points(CROP)
    place = enclose_points(first)
    large, small = (
        replace(place, side=side, middle=np.array([x, 200.0])) for side, x in ((200.0, 200.0), (60.0, 240.0))
    )

    def fit(_: object, square: FaceSquare) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        shift = [0.0, 0.0] if square.side > 100 else [40.0, 0.0]  # the mesh finds the small face beside the large one
        points = (first - place.middle) * (square.side / place.side) + square.middle + shift
        return points, np.zeros(len(points)), 1.0

    monkeypatch.setattr(landmarks, "fit_mesh", fit)
    monkeypatch.setattr(landmarks, "detect_faces", lambda *_: [(large, 0.9), (small, 0.8)])
    assert len(find_all_landmarks(np.zeros((400, 400, 3), np.uint8))) == 2


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (101, 333), (128, 100), (90, 60), (30, 50)])
def test_the_input_of_the_detector_is_the_whole_square(
    size: tuple[int, int], border: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Mock(return_value=[np.full(896, -9.0), np.zeros((896, 16))])
    monkeypatch.setattr(face_networks, "_run", network)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    detect_faces(image, border)
    side = max(size) + 2 * round(border * max(size))
    square = np.full((side, side, 3), 128, np.uint8)
    top, left = ((side - length) // 2 for length in size)
    square[top : top + size[0], left : left + size[1]] = image
    expected = cv2.resize(square, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.array_equal(network.call_args.args[1], expected)


def test_a_search_with_one_border_is_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    detect = Mock(return_value=[])
    monkeypatch.setattr(landmarks, "detect_faces", detect)
    scene = np.full((400, 600, 3), 150, np.uint8)
    assert find_all_landmarks(scene, borders=(0.25,)) == []
    assert [call.args[1] for call in detect.call_args_list] == [0.25]


def test_parts_of_an_image_are_searched_unless_a_known_face_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    points = find_points(CROP)
    detect = Mock(return_value=[])
    monkeypatch.setattr(landmarks, "detect_faces", detect)
    scene = np.full((400, 600, 3), 150, np.uint8)
    find_all_landmarks(scene, [2.0 * points], (0.0,))
    assert detect.call_count == 1
    find_all_landmarks(scene, [0.5 * points], (0.0,))
    assert detect.call_count > 4


def test_faces_that_are_known_are_left_out() -> None:
    pair = np.hstack([CROP, CROP])
    left, right = sorted((face.points for face in find_all_landmarks(pair)), key=lambda points: points[0, 0])
    (other,) = find_all_landmarks(pair, [left + 5.0])
    assert other.points == pytest.approx(right, abs=1)
    assert find_all_landmarks(pair, [left, right]) == []


def test_a_small_face_is_found_beside_a_known_face_that_is_as_small() -> None:
    scene = np.full((1080, 1920, 3), 150, np.uint8)
    for left in (300, 1300):
        scene[400:600, left : left + 210] = CROP  # the detector sees neither in the whole scene
    faces = sorted((face.points for face in find_all_landmarks(scene)), key=lambda points: points[0, 0])
    assert len(faces) == 2
    (other,) = find_all_landmarks(scene, faces[:1])
    assert other.points == pytest.approx(faces[1], abs=2)


def test_of_three_faces_of_the_same_size_the_one_in_the_middle_is_chosen() -> None:
    face = find_landmarks(np.hstack([CROP] * 3))
    assert face is not None
    assert face.faces == 3
    assert eyes(face.points) - np.array([CROP.shape[1], 0]) == pytest.approx(eyes(find_points(CROP)), abs=2)


@pytest.mark.parametrize("size", [(240, 320), (720, 1280)])
@pytest.mark.parametrize("seed", range(3))
def test_noise_shows_no_face(seed: int, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert find_landmarks(noise) is None


def test_a_face_is_followed_from_its_place_in_an_earlier_image() -> None:
    points = find_points(CROP)
    followed = follow_landmarks(np.roll(CROP, 6, axis=1), points)
    assert followed is not None
    assert np.abs(followed.points - points - [6, 0]).mean() < 1
    assert follow_landmarks(texture(*CROP.shape[:2]), points) is None


def test_the_tip_of_the_nose_is_nearest_to_the_camera() -> None:
    face = find_landmarks(CROP)
    assert face is not None
    nose_tip, forehead, left_cheek, right_cheek = face.depth[[4, 10, 234, 454]]
    assert nose_tip < min(forehead, left_cheek, right_cheek)


@pytest.mark.parametrize("name", ["face_detection_short_range.tflite", "face_landmark.tflite"])
@pytest.mark.parametrize("missing", [False, True])
def test_damaged_or_missing_weights_are_refused_by_name(
    name: str, missing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path(shutil.copytree(face_networks.WEIGHTS, tmp_path / "weights"))
    content = bytearray((weights / name).read_bytes())
    content[len(content) // 2] ^= 1
    (weights / name).write_bytes(content)
    if missing:
        (weights / name).unlink()
    monkeypatch.setattr(face_networks, "WEIGHTS", weights)
    with pytest.raises(StorageError, match=name):
        find_landmarks(CROP)
