import math

import pytest

from microfacial.datasets.video_clock import VideoClock, choose_rate, find_usual_step, repeat_often


@pytest.mark.parametrize(
    ("stamps_ms", "times_ms"),
    [
        pytest.param([7, 47, 87, 127], [0, 40, 80, 120], id="from the first frame"),
        pytest.param([0, 40, 40, 120, 160], [0, 40, 60, 120, 160], id="a repeated timestamp"),
        pytest.param([0, 40, 40, 80, 120], [0, 40, 60, 80, 120], id="an inserted frame"),
        pytest.param([0, 40, 30, 120], [0, 40, 60, 120], id="a small step back"),
        pytest.param([0, 40, 80, 0, 40, 80], [0, 40, 80, 120, 160, 200], id="joined recordings"),
        pytest.param([0, 40, 80, 0, 0], [0, 40, 80, 120, 160], id="the last frames without a timestamp"),
        pytest.param([0, 40, 500, 540], [0, 40, 500, 540], id="a pause"),
        pytest.param([0, 0, 0, 0], [0, 20, 60, 100], id="no timestamps"),
    ],
)
def test_times_ascend_and_follow_the_timestamps(stamps_ms: list[int], times_ms: list[int]) -> None:
    clock = VideoClock(0.04)
    times = [1000 * clock.read(stamp / 1000) for stamp in stamps_ms]
    assert times == pytest.approx(times_ms)


def test_the_usual_step_is_neither_a_pause_nor_rounded() -> None:
    assert find_usual_step([0.0, 0.033, 0.067, 0.1, 2.1]) == pytest.approx(1 / 30)
    repeated = [0.0, 0.04, 0.04, *(0.04 * index for index in range(3, 20))]
    assert find_usual_step(repeated) == pytest.approx(0.04, rel=0.06)


def test_rounded_timestamps_that_repeat_do_not_double_the_step() -> None:
    pairs = [0.04 * (index // 2) for index in range(45)]
    assert find_usual_step(pairs) == pytest.approx(0.02, rel=0.05)
    assert repeat_often(pairs)
    assert not repeat_often([0.0, 0.04, 0.04, *(0.04 * index for index in range(3, 20))])


@pytest.mark.parametrize("stamps_s", [[], [0.0], [0.0, 0.0], [0.0, 0.0, 0.0, 0.04]])
def test_a_video_without_timestamps_has_no_usual_step(stamps_s: list[float]) -> None:
    assert find_usual_step(stamps_s) is None


@pytest.mark.parametrize(
    ("header_fps", "step_s", "fps"),
    [
        pytest.param(30.0, 1 / 25.5, 30.0, id="a rate near that of the timestamps"),
        pytest.param(15.0, 1 / 30, 30.0, id="half the rate"),
        pytest.param(1000.0, 1 / 30, 30.0, id="ticks per second in place of the rate"),
        pytest.param(0.0, 1 / 30, 30.0, id="no rate in the header"),
        pytest.param(math.nan, 1 / 30, 30.0, id="an undefined rate"),
        pytest.param(30.0, None, 30.0, id="no timestamps"),
        pytest.param(0.0, None, None, id="neither"),
        pytest.param(0.0, 3.0, None, id="less than a frame per second"),
    ],
)
def test_timestamps_decide_about_the_rate(header_fps: float, step_s: float | None, fps: float | None) -> None:
    assert choose_rate(header_fps, step_s) == (fps if fps is None else pytest.approx(fps))
