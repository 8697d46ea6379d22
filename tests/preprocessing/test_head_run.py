import numpy as np
import pytest
from drawn_films import WALL, draw_face

from microfacial.preprocessing import head_run
from microfacial.preprocessing.alignment import PlacedFace, place_face
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.head_run import (
    RUN_SIZE_PX,
    HeadRun,
    fill_depth,
    follow_run,
    move_run,
    predict_run,
    start_run,
)
from microfacial.preprocessing.motion_path import MotionPath


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


def start_path(face: PlacedFace, run: HeadRun) -> MotionPath:
    path = MotionPath(face.points, run.skin, fill_depth(face), SpottingConfig(), 100)
    path.add(path.measure(run.first))
    return path


@pytest.mark.parametrize("steps_px", [(0.5, 1.0, 0.25), (-0.75, -1.25, -1.5, -1.5)])
def test_small_motions_are_followed_by_the_flow_alone(face: PlacedFace, steps_px: tuple[float, ...]) -> None:
    """The positions of the regions do not contain the motion of the head, and the run follows it."""
    run = start(face)
    path = start_path(face, run)
    for right_px in steps_px:
        predicted = predict_run(run, draw_face(right_px=right_px))
        assert predicted is not None
        measured = path.measure(predicted)
        assert move_run(run, measured.head)
        path.add(measured)
        assert np.abs(measured.position).max() < 0.15
        expected = face.transform[:, 2] - right_px * face.transform[:, 0]
        assert run.transform[:, 2] == pytest.approx(expected, abs=0.5)
        assert run.transform[:, :2] == pytest.approx(face.transform[:, :2], abs=0.01)


def test_a_large_motion_must_be_aligned_anew(face: PlacedFace) -> None:
    run = start(face)
    predicted = predict_run(run, draw_face(right_px=2.5))
    assert predicted is not None
    assert not move_run(run, start_path(face, run).measure(predicted).head)
    assert np.array_equal(run.transform, face.transform)


def test_neither_another_picture_nor_a_face_at_the_edge_is_predicted(face: PlacedFace) -> None:
    run = start(face)
    assert predict_run(run, np.ascontiguousarray(WALL)) is None
    run.transform = run.transform + np.array([[0.0, 0.0, RUN_SIZE_PX / 2], [0.0, 0.0, 0.0]])
    assert predict_run(run, draw_face()) is None
