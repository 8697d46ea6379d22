import numpy as np
import pytest
from drawn_films import WALL, draw_face

from microfacial.preprocessing import head_run
from microfacial.preprocessing.alignment import PlacedFace, place_face
from microfacial.preprocessing.head_run import RUN_SIZE_PX, HeadRun, follow_run, start_run


@pytest.fixture(scope="module")
def face() -> PlacedFace:
    found = place_face(draw_face(), RUN_SIZE_PX)
    assert found is not None
    return found


def start(face: PlacedFace) -> HeadRun:
    run = start_run(draw_face(), face)
    assert run is not None
    return run


@pytest.mark.parametrize("jump_px", [1.0, 12.0, 25.0])
def test_a_head_is_followed_when_it_jumps(face: PlacedFace, jump_px: float) -> None:
    run = start(face)
    assert follow_run(run, draw_face(right_px=jump_px), confirm=True) is not None
    expected = face.transform[:, 2] - jump_px * face.transform[:, 0]
    assert run.transform[:, 2] == pytest.approx(expected, abs=0.5)


def test_only_a_far_jump_needs_the_coarse_levels(face: PlacedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_run, "_PYRAMID_LEVELS", head_run._PYRAMID_LEVELS[:1])
    assert follow_run(start(face), draw_face(right_px=12.0), confirm=False) is not None
    assert follow_run(start(face), draw_face(right_px=25.0), confirm=False) is None


def test_a_head_that_has_left_is_not_followed(face: PlacedFace) -> None:
    run = start(face)
    assert follow_run(run, np.ascontiguousarray(WALL), confirm=False) is None
    assert np.array_equal(run.transform, face.transform)
