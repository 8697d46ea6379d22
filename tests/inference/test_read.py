"""Reading a clip from outside the data sets."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_films import FACE, WALL, draw_face, write_film
from numpy.typing import NDArray

from microfacial.errors import ConfigError, DatasetError, NoFaceError
from microfacial.evaluation.experiment import Data
from microfacial.inference.read import read_clip
from microfacial.preprocessing.face_track import FaceTrack
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import ONSET_APEX, Clip, FaceStore

Settings = tuple[FacesConfig, FlowConfig]


def read(folder: Path, settings: Settings, *moments: int, fps: float | None = None) -> FaceStore:
    return read_clip(folder, *moments, fps=fps, faces=settings[0], flow=settings[1])


def test_the_person_of_the_onset_stays_beside_a_face_that_becomes_larger(tmp_path: Path, settings: Settings) -> None:
    canvas = np.full((300, 520, 3), 150, np.uint8)

    def draw(smile_px: float, scale: float) -> NDArray[np.uint8]:
        picture, other = canvas.copy(), cv2.resize(FACE, None, fx=scale, fy=scale)
        picture[: FACE.shape[0], : FACE.shape[1]] = draw_face(smile_px)
        picture[: other.shape[0], 230 : 230 + other.shape[1]] = other
        return picture

    write_film(tmp_path / "film", [draw(0.0, 0.7), draw(2.0, 1.35)])
    store = read(tmp_path / "film", settings, 1, 2)
    assert np.abs(store.flow[0, 0, :2]).max() > 0.3
    write_film(tmp_path / "gone", [draw(0.0, 0.7), np.roll(draw(2.0, 1.35), 60, axis=1)])
    with pytest.raises(DatasetError, match=r"gone: .*% of the aligned square"):
        read(tmp_path / "gone", settings, 1, 2)


def test_a_clip_is_read_as_the_pipeline_reads_it(data: Data, clip: Clip, folder: Path, settings: Settings) -> None:
    store = read(folder, settings, clip.onset, clip.apex, clip.offset)
    assert np.array_equal(store.flow[0], data.store.flow[0])
    assert np.array_equal(store.crops[0], data.store.crops[0])
    assert np.array_equal(store.boxes[0], data.store.boxes[0])
    assert (store.windows, store.regions) == (data.store.windows, data.store.regions)


def test_without_an_offset_the_only_flow_is_onset_to_apex(
    data: Data, clip: Clip, folder: Path, settings: Settings
) -> None:
    store = read(folder, settings, clip.onset, clip.apex)
    assert store.windows == (ONSET_APEX,)
    assert np.array_equal(store.flow[0, 0], data.store.flow[0, data.store.windows.index(ONSET_APEX)])


def test_the_apex_is_spotted_between_a_given_onset_and_offset(clip: Clip, folder: Path, settings: Settings) -> None:
    store = read_clip(folder, clip.onset, None, clip.offset, fps=200.0, faces=settings[0], flow=settings[1])
    assert len(store.windows) == 5


def test_all_moments_are_spotted_if_none_is_given(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, clip: Clip
) -> None:
    """Spotting has its own tests. This test shows that it gets all frames, and that its result is used."""
    calls = []

    def spot(track: FaceTrack, fps: float, seconds: dict[int, float]) -> Clip:
        calls.append((track.numbers, fps))
        return clip  # has an onset, an apex and an offset

    monkeypatch.setattr("microfacial.inference.read.spot_track", spot)
    store = read(folder, settings, fps=100.0)
    assert calls == [(clip.numbers, 100.0)]
    assert np.array_equal(store.flow, read(folder, settings, clip.onset, clip.apex, clip.offset).flow)


@pytest.mark.parametrize(
    ("last", "error", "message"),
    [
        (WALL, NoFaceError, "frame 3"),
        (draw_face(right_px=40), DatasetError, r"from frame 1 to 3\D*\d+%"),
    ],
    ids=["no face", "shifted"],
)
def test_moments_without_the_face_or_with_the_head_elsewhere_are_refused(
    tmp_path: Path, last: NDArray[np.uint8], error: type[DatasetError], message: str
) -> None:
    write_film(tmp_path / "film", [draw_face(), draw_face(2.0), last])
    with pytest.raises(error, match=message):
        read_clip(tmp_path / "film", 1, 2, 3)


def test_moments_outside_of_the_clip_are_refused_before_spotting(tmp_path: Path) -> None:
    recording = write_film(tmp_path / "film", [FACE] * 2)
    with pytest.raises(DatasetError, match=r"8 to 9.*1 to 2"):
        read_clip(recording.root, onset=8, offset=9, fps=40.0)


def test_missing_pictures_of_a_folder_are_logged(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    film = write_film(tmp_path / "film", [FACE] * 7)
    for number in (3, 4):
        (film.root / f"img{number}.png").unlink()
    with pytest.raises(DatasetError, match=r"no clear start|no movement rises"):
        read(tmp_path / "film", settings, fps=40.0)
    assert caplog.text.count("between 2 and 5") == 1


def test_the_choice_among_two_faces_is_logged(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    write_film(tmp_path / "film", [np.hstack([FACE, WALL[:, :40], FACE])] * 5)
    with pytest.raises(DatasetError, match=r"\d\.\d{3} px"):
        read(tmp_path / "film", settings, fps=40.0)
    assert caplog.text.count("2 faces") == 1
    caplog.clear()
    read(tmp_path / "film", settings, 1, 2, 3)
    assert caplog.text.count("2 faces") == 1


def test_moments_between_which_nothing_moves_are_refused(tmp_path: Path, settings: Settings) -> None:
    write_film(tmp_path / "film", [draw_face()] * 3)
    first = (tmp_path / "film" / "img1.png").read_bytes()
    (tmp_path / "film" / "img2.png").write_bytes(first)
    with pytest.raises(DatasetError, match=r"from frame 1 to 2\b.*zero"):
        read(tmp_path / "film", settings, 1, 2, 3)


@pytest.mark.parametrize(
    ("moments", "fps", "message"),
    [
        ((), None, "fps"),
        ((1,), 200.0, "complete onset 1[.]"),
        ((1, 2), None, "no frame 1"),
        ((-1, -2), None, r"onset \d+, apex \d+ and offset \d+"),
    ],
)
def test_impossible_moments_are_refused(
    folder: Path, clip: Clip, moments: tuple[int, ...], fps: float | None, message: str
) -> None:
    existing = tuple(clip.numbers[n] if n < 0 else n for n in moments)
    with pytest.raises(DatasetError, match=message):
        read_clip(folder, *existing, fps=fps)


@pytest.mark.parametrize(
    ("name", "value"),
    [("onset", "89"), ("apex", True), ("offset", 112.0), ("offset", [3]), ("fps", "200"), ("fps", True), ("fps", [3])],
)
def test_a_moment_or_frame_rate_that_is_no_number_is_refused(folder: Path, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} .*{re.escape(repr(value))}"):
        read_clip(folder, **{name: value})


def test_settings_can_be_mappings_of_keys(clip: Clip, folder: Path, settings: Settings) -> None:
    moments = clip.onset, clip.apex
    keys: dict[str, Any] = {"size_px": 28}
    store = read_clip(folder, *moments, faces=keys, flow={"method": "dis"})
    expected = read_clip(folder, *moments, faces=FacesConfig(**keys), flow=FlowConfig(method="dis"))
    assert store.flow.shape[-1] == 28
    assert np.array_equal(store.flow, expected.flow)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"faces": {"size": 3}}, r"read_clip: faces\.size"),
        ({"faces": 3}, "read_clip: faces .*3"),
        ({"flow": "dis"}, "read_clip: flow .*'dis'"),
        ({"flow": {"tvl1": {"warps": 3}}}, r"read_clip: flow\.tvl1"),
    ],
)
def test_wrong_settings_are_named(folder: Path, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        read_clip(folder, **arguments)


def test_a_clip_without_a_face_is_refused(folder: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.preprocessing.alignment.find_landmarks", lambda _: None)
    with pytest.raises(NoFaceError, match=f"{clip.onset}"):
        read_clip(folder, clip.onset, clip.apex)


def test_settings_for_published_maps_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="published"):
        read_clip(folder, flow=FlowConfig(method="published"))


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 1e-300, 1e300])
def test_an_impossible_frame_rate_is_refused(folder: Path, fps: float) -> None:
    for moments in ((), (1, 2, 3)):
        with pytest.raises(DatasetError, match=rf"fps .*{re.escape(str(fps))}"):
            read_clip(folder, *moments, fps=fps)
