"""Any film gives a value or one error of this package."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from drawn_films import FPS, draw_face, write_film
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from microfacial.errors import MicrofacialError
from microfacial.inference.read import read_clip
from microfacial.preprocessing.face_track import track_face
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.spotting import spot_track

FACES, FLOW = FacesConfig(size_px=56), FlowConfig(method="dis")

sides = st.sampled_from([1, 2, 3, 17, 40, 90])
levels = st.integers(0, 255)


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def flat(height: int, width: int, level: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def part_of_face(strength: float, shift: float, height: int, width: int) -> NDArray[np.uint8]:
    return draw_face(strength, shift)[:height, :width]


frames = st.one_of(
    st.builds(noise, sides, sides, levels),
    st.builds(flat, sides, sides, levels),
    st.builds(part_of_face, st.floats(-30, 30), st.floats(-300, 300), *[st.sampled_from([1, 9, 130, 200])] * 2),
)
films = st.one_of(
    st.lists(frames, min_size=1, max_size=6),
    st.builds(lambda frame, count: [frame] * count, frames, st.integers(1, 7)),
    st.lists(st.builds(draw_face, st.floats(-9, 9), st.floats(-40, 40)), min_size=5, max_size=7),
)
moments = st.one_of(st.none(), st.integers(0, 8))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(films, moments, moments, moments, st.sampled_from([1.0, 30.0, 100_000.0]))
def test_any_film_gives_a_value_or_an_error_of_this_package(
    film: list[NDArray[np.uint8]], onset: int | None, apex: int | None, offset: int | None, fps: float
) -> None:
    with TemporaryDirectory() as folder:
        recording = write_film(Path(folder) / "film", film)
        with suppress(MicrofacialError):
            track = track_face(recording, recording.root, FPS)
            assert {number for part in track.parts for number in part.numbers} <= set(recording.numbers)
            spotting = spot_track(track, FPS)
            assert spotting.onset < spotting.apex < spotting.offset
        with suppress(MicrofacialError):
            store = read_clip(recording.root, onset, apex, offset, fps=fps, faces=FACES, flow=FLOW)
            assert np.isfinite(store.flow).all()
