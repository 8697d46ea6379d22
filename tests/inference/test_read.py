"""Reading a clip from outside the data sets."""

import re
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import ConfigError, DatasetError, NoFaceError
from microfacial.evaluation.experiment import Data
from microfacial.inference.read import read_clip
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import ONSET_APEX, Clip, FaceStore

Settings = tuple[FacesConfig, FlowConfig]


def read(folder: Path, settings: Settings, *moments: int, fps: float | None = None) -> FaceStore:
    return read_clip(folder, *moments, fps=fps, faces=settings[0], flow=settings[1])


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

    def spot(frames: dict[int, object], fps: float, **skin: object) -> Clip:
        calls.append((tuple(frames), fps))
        return clip  # has an onset, an apex and an offset

    monkeypatch.setattr("microfacial.inference.read.spot_interval", spot)
    store = read(folder, settings, fps=100.0)
    assert calls == [(clip.numbers, 100.0)]
    assert np.array_equal(store.flow, read(folder, settings, clip.onset, clip.apex, clip.offset).flow)


@pytest.mark.parametrize(
    ("moments", "fps", "message"),
    [
        ((), None, "fps"),
        ((1,), 200.0, "onset 1, apex None, offset None"),
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


def test_a_clip_without_a_face_is_refused(folder: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.preprocessing.alignment.find_landmarks", lambda _: None)
    with pytest.raises(NoFaceError, match=f"{clip.onset}"):
        read_clip(folder, clip.onset, clip.apex)


def test_settings_for_published_maps_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="published"):
        read_clip(folder, flow=FlowConfig(method="published"))


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 1e-300, 1e300])
def test_an_impossible_frame_rate_is_refused(folder: Path, fps: float) -> None:
    with pytest.raises(DatasetError, match=rf"fps .*{re.escape(str(fps))}"):
        read_clip(folder, fps=fps)
