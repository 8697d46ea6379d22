"""Score spotted movements against annotated ones, with the protocol of the MEGC challenges.

A spotted interval is right if its intersection with an annotated interval of the same kind, over their union, is at
least 0.5. Each annotated interval is matched at most once. Precision, recall and F1 are computed over all videos
together. STRS is the product of the F1 of spotting and the F1 of the classes of the micro-expressions that are matched.

Source: Li et al., MEGC 2019 (spotting), doi:10.1109/FG.2019.8756611; Davison et al., MEGC 2023 (STRS),
doi:10.1145/3581783.3612833.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePath

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from microfacial.datasets.event_table import VideoEvent, drop_extension
from microfacial.errors import DatasetError
from microfacial.metrics import confusion, uf1

LEAST_OVERLAP = 0.5


@dataclass(frozen=True, kw_only=True)
class SpottingScore:
    """Counts of intervals, and the scores that follow from them.

    Attributes:
        annotated: number of annotated intervals.
        spotted: number of spotted intervals.
        matched: number of spotted intervals that are right.
    """

    annotated: int
    spotted: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the spotted intervals that are right; 0 without spotted intervals."""
        return self.matched / self.spotted if self.spotted else 0.0

    @property
    def recall(self) -> float:
        """Share of the annotated intervals that were spotted; 0 without annotated intervals."""
        return self.matched / self.annotated if self.annotated else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.annotated + self.spotted
        return 2 * self.matched / total if total else 0.0


@dataclass(frozen=True, kw_only=True)
class SpottingScores:
    """Scores over all videos.

    Attributes:
        micro: of micro-expressions.
        macro: of macro-expressions.
        all: of both kinds. A spotted interval must have the right kind.
        recognition_f1: unweighted F1 of the classes of the micro-expressions that are matched; None if none of them has
            an annotated class, or if no spotted movement has a class.
        strs: `micro.f1` times `recognition_f1`; None if that is unknown.
        strs_note: why `strs` is unknown, or a doubt about it; empty if there is none.
    """

    micro: SpottingScore
    macro: SpottingScore
    all: SpottingScore
    recognition_f1: float | None
    strs: float | None
    strs_note: str = ""


def score_spotting(spotted: Iterable[VideoEvent], annotated: Iterable[VideoEvent]) -> SpottingScores:
    """Score spotted movements against annotated ones.

    Args:
        spotted: movements in all videos. The person matters only in videos in which the annotation has several people.
            Persons have the same numbers or names as in the annotation; `01` and `1` are the same.
        annotated: annotated movements of all videos.

    Returns:
        The scores.

    Raises:
        DatasetError: the people in a video have numbers on one side and names on the other, or quite other names.
    """
    answers, truth = list(spotted), list(annotated)
    people = _list_people(truth)
    crowded = {video for video, names in people.items() if len(names) > 1}
    _check_people(_list_people(answers), {video: people[video] for video in sorted(crowded)})
    spotted_groups, true_groups = _group(answers, crowded), _group(truth, crowded)
    counts, pairs = {}, []
    for kind in ("micro", "macro"):
        keys = [key for key in {**spotted_groups, **true_groups} if key[-1] == kind]
        matches = [match_events(spotted_groups.get(key, []), true_groups.get(key, [])) for key in keys]
        counts[kind] = SpottingScore(
            annotated=sum(len(true_groups.get(key, [])) for key in keys),
            spotted=sum(len(spotted_groups.get(key, [])) for key in keys),
            matched=sum(map(len, matches)),
        )
        if kind == "micro":
            pairs = [pair for match in matches for pair in match if pair[1].label]
    micro, macro = counts["micro"], counts["macro"]
    both = (getattr(micro, name) + getattr(macro, name) for name in ("annotated", "spotted", "matched"))
    total = SpottingScore(**dict(zip(("annotated", "spotted", "matched"), both, strict=True)))
    note, is_known = _compare_classes(pairs, answers, truth)
    recognition = _score_classes(pairs) if is_known else None
    strs = None if recognition is None else micro.f1 * recognition
    return SpottingScores(micro=micro, macro=macro, all=total, recognition_f1=recognition, strs=strs, strs_note=note)


def match_events(spotted: Sequence[VideoEvent], annotated: Sequence[VideoEvent]) -> list[tuple[VideoEvent, VideoEvent]]:
    """Match spotted with annotated intervals of one video, so that as many as possible are matched, each at most once.

    Args:
        spotted: spotted intervals.
        annotated: annotated intervals.

    Returns:
        Pairs of a spotted and an annotated interval whose overlap is at least `LEAST_OVERLAP`.
    """
    targets = sorted(annotated, key=lambda event: event.onset)
    onsets = [event.onset for event in targets]
    rows, columns = [], []
    for row, event in enumerate(spotted):
        reach = event.offset - event.onset + 1  # an interval that starts earlier has an overlap below one half
        first, last = bisect_left(onsets, event.onset - reach), bisect_right(onsets, event.offset)
        right = [column for column in range(first, last) if overlap(event, targets[column]) >= LEAST_OVERLAP]
        rows += [row] * len(right)
        columns += right
    if not rows:
        return []
    graph = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(spotted), len(targets)))
    matching = maximum_bipartite_matching(graph, perm_type="column")
    return [(spotted[row], targets[column]) for row, column in enumerate(matching.tolist()) if column >= 0]


def overlap(first: VideoEvent, second: VideoEvent) -> float:
    """Return the intersection over the union of two intervals of frames. Onset and offset belong to an interval.

    Args:
        first: an interval.
        second: another interval.
    """
    shared = min(first.offset, second.offset) - max(first.onset, second.onset) + 1
    union = max(first.offset, second.offset) - min(first.onset, second.onset) + 1
    return max(0, shared) / union


def match_videos(spotted: Sequence[VideoEvent], known: Iterable[str]) -> list[VideoEvent]:
    """Return spotted movements with the names of the annotated videos.

    Paths of one video can differ at their start, because tables were written in different folders. Two paths name the
    same video if one of them is the end of the other. The extensions of videos count if they are needed to tell apart
    several videos.

    Args:
        spotted: movements in all videos.
        known: names of all annotated videos, also of those without a movement.

    Raises:
        DatasetError: a video has no annotation, so all movements in it would count as wrong, or it is not clear which
            of several videos is meant.
    """
    names = sorted(set(known))
    matches = {video: _find_video(video, names) for video in sorted({event.video for event in spotted})}
    for (first, name), (second, other) in combinations(matches.items(), 2):
        if name == other and not _is_same_video(first, second):
            raise DatasetError(
                f"both {first!r} and {second!r} match the annotated video {name!r}. Give longer paths in its table"
            )
    return [event.in_video(matches[event.video]) for event in spotted]


def _find_video(video: str, known: Sequence[str]) -> str:
    """Return the only known name of a video."""
    same = [video] if video in known else [name for name in known if _is_same_path(video, name)]
    same = same or [name for name in known if _is_same_path(drop_extension(video), drop_extension(name))]
    if not same:
        raise DatasetError(
            f"no annotation names the video {video!r}; annotated are {', '.join(map(repr, known[:3]))}. "
            "Give the table of its events too, or correct the name"
        )
    if len(same) > 1:
        raise DatasetError(
            f"the video {video!r} can be {' or '.join(map(repr, same[:3]))}. Give longer paths in the spotted table"
        )
    return same[0]


def _is_same_video(first: str, second: str) -> bool:
    """Return whether two names can mean one video: their extensions do not differ."""
    bare, other = drop_extension(first), drop_extension(second)
    is_bare = first == bare or second == other
    return _is_same_path(first, second) or (is_bare and _is_same_path(bare, other))


def _is_same_path(first: str, second: str) -> bool:
    """Return whether one path is the end of the other."""
    parts, others = PurePath(first).parts[::-1], PurePath(second).parts[::-1]
    common = min(len(parts), len(others))
    return parts[:common] == others[:common]


def require_different(events: Sequence[VideoEvent], tables: Iterable[Path]) -> None:
    """Refuse movements that are listed twice, because each would count twice.

    Args:
        events: movements in all videos, with the names of the annotated videos.
        tables: the tables that they come from, for the message.

    Raises:
        DatasetError: two movements are the same.
    """
    known: dict[VideoEvent, str] = {}
    for event in events:
        key = replace(event, label="", person=_person(event))
        if key in known:
            names, labels = ", ".join(map(str, tables)), sorted({known[key], event.label} - {""})
            classes = f", as {' and '.join(labels)}, so one annotator must decide" if len(labels) > 1 else ""
            raise DatasetError(
                f"{names}: the {event.kind} movement {event.onset}–{event.offset} of person {event.person} in "
                f"{event.video!r} is listed twice{classes}. Give each table once, and keep one of the rows"
            )
        known[key] = event.label


def _list_people(events: Iterable[VideoEvent]) -> dict[str, set[str]]:
    """Return the people of each video."""
    people: dict[str, set[str]] = defaultdict(set)
    for event in events:
        people[event.video].add(_person(event))
    return people


def _person(event: VideoEvent) -> str:
    return str(int(event.person)) if event.person.isdecimal() else event.person


def _check_people(spotted: Mapping[str, set[str]], annotated: Mapping[str, set[str]]) -> None:
    """Refuse videos in which no spotted person can be an annotated person. Numbers can differ by mistake."""
    for video, names in annotated.items():
        others = spotted.get(video, set())
        if others and not names & others and not all(name.isdecimal() for name in names | others):
            ours, theirs = (", ".join(map(repr, sorted(people)[:3])) for people in (others, names))
            raise DatasetError(
                f"{video!r}: the spotted people are {ours}, and the annotated people are {theirs}, so none of them are "
                "the same. Give them the same numbers or names in both tables"
            )


def _group(events: Iterable[VideoEvent], crowded: set[str]) -> dict[tuple[str, ...], list[VideoEvent]]:
    groups: dict[tuple[str, ...], list[VideoEvent]] = defaultdict(list)
    for event in events:
        groups[event.video, _person(event) if event.video in crowded else "", event.kind].append(event)
    return dict(groups)


def _compare_classes(
    pairs: Sequence[tuple[VideoEvent, VideoEvent]], spotted: Sequence[VideoEvent], annotated: Sequence[VideoEvent]
) -> tuple[str, bool]:
    """Return a note about the classes of both sides, and whether those of matched micro-expressions can be scored."""
    if not pairs:
        return "no micro-expression that was spotted has an annotated class", False
    ours, theirs = (sorted({event.label for event in events} - {""}) for events in (spotted, annotated))
    if not ours:
        return "no spotted movement has a class", False
    if set(ours) & set(theirs):
        return "", True
    return (
        f"no spotted class ({', '.join(ours)}) is an annotated one ({', '.join(theirs)}). If they are of different "
        "label schemes, this score means nothing"
    ), True


def _score_classes(pairs: Sequence[tuple[VideoEvent, VideoEvent]]) -> float:
    names = sorted({event.label for pair in pairs for event in pair})
    guesses, truths = (np.array([names.index(event.label) for event in side]) for side in zip(*pairs, strict=True))
    return float(uf1(confusion(truths, guesses, len(names))))
