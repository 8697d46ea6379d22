import numpy as np
import pytest

from microfacial.preprocessing.head_turn import HeadTurn, smooth_share

ROWS, COLUMNS = np.indices((30, 30))
POINTS = (4.0 * np.stack([COLUMNS, ROWS], axis=-1)).astype(np.float64)
AWAY = ((POINTS - 58) ** 2).sum(axis=-1)
DEPTH = np.sqrt(np.clip(70.0**2 - AWAY, 0, None)).astype(np.float64)
USED = AWAY < 50**2
EXPRESSION = np.exp(-((POINTS - [40, 80]) ** 2).sum(axis=-1) / 100)


@pytest.mark.parametrize(("yaw", "pitch"), [(0.05, 0.0), (0.0, -0.04), (0.03, 0.03)])
def test_a_head_that_turns_moves_nothing_and_an_expression_on_it_stays(yaw: float, pitch: float) -> None:
    skin = np.stack([0 * EXPRESSION, EXPRESSION], axis=-1)
    flow = np.stack([yaw * DEPTH + 0.3, pitch * DEPTH - 0.2], axis=-1)
    turn = HeadTurn(POINTS, DEPTH, USED)
    assert np.abs(turn.remove(flow.astype(np.float32))[USED]).max() < 1e-3
    left = turn.remove((flow + skin).astype(np.float32))
    assert left[USED] == pytest.approx(skin[USED], abs=0.1)


def test_the_similarity_is_where_a_head_moves_in_the_picture_plane() -> None:
    similarity = np.array([[1.01, -0.02, 0.7], [0.02, 1.01, -0.4]])
    moved = POINTS @ similarity[:, :2].T + similarity[:, 2] - POINTS
    turned = moved + 0.02 * np.stack([DEPTH - DEPTH[USED].mean(), 0 * DEPTH], axis=-1)
    skin, head = HeadTurn(POINTS, DEPTH, USED).split(turned.astype(np.float32))
    assert np.abs(skin[USED]).max() < 1e-3
    assert head == pytest.approx(similarity, abs=1e-3)


def test_the_motion_of_a_head_is_smooth_and_an_expression_is_not() -> None:
    points = POINTS[USED]
    turn = np.stack([0.05 * DEPTH, 0 * DEPTH], axis=-1)[USED]
    skin = np.stack([0 * EXPRESSION, EXPRESSION], axis=-1)[USED]
    x, y = points.T
    assert smooth_share(points, np.stack([x * y, y * y - x], axis=-1).astype(np.float32)) == pytest.approx(1.0)
    assert smooth_share(points, turn.astype(np.float32)) > 0.9
    assert smooth_share(points, skin.astype(np.float32)) < 0.5
    assert smooth_share(points, np.zeros((len(points), 2), np.float32)) == 0.0
