import time

import numpy as np
import pytest

from microfacial.pipeline.messages import LEVEL_VARIABLE
from microfacial.pipeline.progress import Countdown, format_duration, progress_bar
from microfacial.records import FoldPlan, FoldResult, History


def fold(seconds: float) -> FoldResult:
    plan = FoldPlan(
        name="s1",
        repeat=0,
        seed=0,
        test_rows=np.arange(2),
        training_rows=np.arange(1),
        validation_fold=np.zeros(1, np.int64),
    )
    return FoldResult(
        plan=plan,
        truth=np.array([0, 1]),
        probabilities=np.eye(2)[[0, 0]],
        chosen="epoch 3",
        history=History(),
        seconds=seconds,
    )


def test_the_remaining_time_is_estimated_from_the_median_fold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Countdown("train m", 7, processes=2) as countdown:
        for seconds in (90.0, 100.0, 1000.0):
            countdown.count(fold(seconds))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train m: 7 folds on 2 processes"
    assert lines[1] == "train m: fold 1/7 s1#0: 1 of 2 correct, epoch 3, 90.0 s, about 4 min left"  # 90 · 6 / 2
    assert lines[3].endswith("about 3 min left")  # 100 · 4 / 2


def test_quiet_prints_no_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "WARNING")
    with Countdown("train m", 2, processes=1) as countdown, progress_bar([1], "faces") as bar:
        countdown.count(fold(60.0))
        list(bar)
    assert capsys.readouterr() == ("", "")


def test_the_estimate_for_a_single_remaining_fold_assumes_one_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Countdown("train m", 2, processes=8) as countdown:
        countdown.count(fold(60.0))
        countdown.count(fold(60.0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("about 60 s left")
    assert lines[2].endswith(", 60.0 s")


def test_a_line_is_printed_regularly_while_no_fold_finishes(capsys: pytest.CaptureFixture[str]) -> None:
    with Countdown("train m", 1, processes=1, seconds_between_lines=0.02):
        time.sleep(0.3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train m: 1 fold on 1 process"
    assert lines[1] == "train m: 0 of 1 fold after 0 s"
    time.sleep(0.1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("seconds", "words"), [(8.4, "8 s"), (170, "3 min"), (5390, "90 min"), (9000, "2.5 h")])
def test_durations_have_readable_units(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
