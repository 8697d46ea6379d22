from typing import Literal

import pytest

from microfacial.datasets.event_table import VideoEvent
from microfacial.errors import DatasetError
from microfacial.evaluation.spotting_scores import match_events, match_videos, overlap, score_spotting


def event(
    onset: int,
    offset: int,
    kind: Literal["micro", "macro"] = "micro",
    label: str = "",
    person: str = "1",
    video: str = "",
) -> VideoEvent:
    return VideoEvent(person=person, onset=onset, apex=onset, offset=offset, label=label, kind=kind, video=video)


def test_overlap_counts_both_ends_of_an_interval() -> None:
    assert overlap(event(1, 10), event(6, 15)) == pytest.approx(5 / 15)
    assert overlap(event(1, 10), event(1, 10)) == 1.0
    assert overlap(event(1, 10), event(11, 20)) == 0.0


def test_an_overlap_of_exactly_one_half_is_right_and_less_is_not() -> None:
    assert len(match_events([event(1, 5)], [event(1, 10)])) == 1
    assert match_events([event(1, 4)], [event(1, 9)]) == []
    assert len(match_events([event(6, 10)], [event(1, 10)])) == 1


def test_each_annotated_interval_is_matched_at_most_once() -> None:
    scores = score_spotting([event(1, 10), event(2, 11), event(40, 50)], [event(1, 10)])
    assert (scores.micro.annotated, scores.micro.spotted, scores.micro.matched) == (1, 3, 1)
    assert scores.micro.precision == pytest.approx(1 / 3)
    assert scores.micro.recall == 1.0
    assert scores.micro.f1 == pytest.approx(0.5)


def test_as_many_intervals_as_possible_are_matched() -> None:
    """The first spotted interval fits both annotations, the second one fits only the first annotation."""
    annotated = [event(1, 10), event(4, 13)]
    spotted = [event(3, 11), event(1, 8)]
    assert len(match_events(spotted, annotated)) == 2


def test_kinds_are_scored_apart_and_together() -> None:
    annotated = [event(1, 10), event(100, 160, "macro"), event(300, 310)]
    spotted = [event(1, 10), event(100, 160, "micro"), event(300, 310), event(400, 470, "macro")]
    scores = score_spotting(spotted, annotated)
    assert (scores.micro.annotated, scores.micro.spotted, scores.micro.matched) == (2, 3, 2)
    assert (scores.macro.annotated, scores.macro.spotted, scores.macro.matched) == (1, 1, 0)
    assert scores.all.f1 == pytest.approx(2 * 2 / (3 + 4))


def test_scores_are_pooled_over_videos_and_not_averaged() -> None:
    annotated = [event(1, 10, video="a"), event(1, 10, video="b"), event(50, 60, video="b"), event(90, 99, video="b")]
    spotted = [event(1, 10, video="a"), event(1, 10, video="b"), event(1, 10, video="b")]
    assert score_spotting(spotted, annotated).micro.f1 == pytest.approx(2 * 2 / (4 + 3))


def test_people_matter_only_where_the_annotation_has_several() -> None:
    alone = score_spotting([event(1, 10, person="7")], [event(1, 10, person="s15")])
    assert alone.micro.matched == 1
    truth = [event(1, 10, person="1"), event(50, 60, person="2")]
    assert score_spotting([event(1, 10, person="2"), event(50, 60, person="2")], truth).micro.matched == 1


def test_strs_is_the_product_of_spotting_and_recognition_of_matched_micro_expressions() -> None:
    annotated = [event(1, 10, label="positive"), event(50, 60, label="negative"), event(90, 99, label="negative")]
    spotted = [event(1, 10, label="positive"), event(50, 60, label="positive"), event(200, 210, label="negative")]
    scores = score_spotting([*spotted, event(300, 400, "macro", "positive")], annotated)
    assert scores.micro.f1 == pytest.approx(2 / 3)
    assert scores.recognition_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert scores.strs == pytest.approx(2 / 3 * 1 / 3)


def test_without_classes_or_events_there_is_no_strs() -> None:
    assert score_spotting([event(1, 10)], [event(1, 10)]).strs is None
    empty = score_spotting([], [])
    assert (empty.all.precision, empty.all.recall, empty.all.f1, empty.strs) == (0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("spotted", "known", "name"),
    [
        ("films/a/s", ["films/a/s", "films/b/s"], "films/a/s"),
        ("/home/me/films/b/s", ["films/a/s", "films/b/s"], "films/b/s"),
        ("data/rawpic/s15/15_0101", ["rawpic/s15/15_0101", "rawpic/s16/15_0101"], "rawpic/s15/15_0101"),
        ("s", ["a/s", "s"], "s"),
        ("s", ["a/s", "b/t"], "a/s"),
    ],
)
def test_a_video_gets_the_annotated_name_if_one_is_the_end_of_the_other(
    spotted: str, known: list[str], name: str
) -> None:
    assert match_videos([event(1, 10, video=spotted)], known) == [event(1, 10, video=name)]


@pytest.mark.parametrize(
    ("spotted", "known", "named"),
    [
        (["b"], ["a"], "'b'"),
        (["s2/01"], ["s1/01"], "'s2/01'"),
        (["s"], ["a/s", "b/s"], "'a/s' or 'b/s'"),
        (["a/s", "b/s"], ["s"], "'a/s' .* 's'"),
    ],
    ids=["unknown", "other folder", "ambiguous", "two for one"],
)
def test_a_video_without_a_clear_annotation_is_refused(spotted: list[str], known: list[str], named: str) -> None:
    with pytest.raises(DatasetError, match=named):
        match_videos([event(1, 10, video=video) for video in spotted], known)


def test_a_relative_and_an_absolute_path_are_one_video() -> None:
    spotted = [event(1, 10, video="films/s"), event(30, 40, video="/home/me/films/s")]
    assert {found.video for found in match_videos(spotted, ["s"])} == {"s"}
