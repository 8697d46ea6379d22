"""Command `spot-eval`: score spotted movements against annotated ones."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from microfacial.datasets.event_table import (
    SPOTTED_REMEDY,
    EventTable,
    VideoEvent,
    drop_extension,
    read_event_table,
)
from microfacial.datasets.long_videos import list_annotated_events
from microfacial.errors import DatasetError
from microfacial.evaluation.spotting_scores import (
    SpottingScore,
    SpottingScores,
    match_videos,
    require_different,
    score_spotting,
)
from microfacial.pipeline.messages import print_json

_KINDS = ("micro", "macro", "all")
_NOTE = "MEGC protocol: overlap of at least 0.5 with an annotated interval of the same kind, all videos together."


def run_spot_eval(
    spotted: Sequence[Path],
    truth: Sequence[Path],
    *,
    corpus: str | None,
    scheme: str | None,
    as_json: bool,
) -> None:
    """Print precision, recall and F1 of micro-expressions, of macro-expressions and of both, and STRS.

    Args:
        spotted: tables or JSON files of spotted movements.
        truth: tables of annotated movements, or the folder of a release with `corpus`.
        corpus: name of a corpus of long videos.
        scheme: label scheme that turns the emotions of the corpus into classes.
        as_json: whether to print a JSON document.

    Raises:
        StorageError: a table is missing or faulty, or has an error in place of an answer.
        DatasetError: a release is not readable, a video has no annotation, a movement is listed twice, or the people
            of a video have other names than in the annotation.
        ConfigError: there is no such corpus or scheme.
    """
    if corpus is None:
        tables = {path: read_event_table(path) for path in truth}
        names = _name_tables(path for path, table in tables.items() if not _names_videos(table))
        annotated = [event for path, table in tables.items() for event in _name_videos(table.events, names.get(path))]
        quiet = {video for table in tables.values() for video in table.quiet}
        quiet |= {names[path] for path, table in tables.items() if not table.events and not table.quiet}
        whole = _complete_names({*(event.video for event in annotated), *quiet})
        annotated = [event.in_video(whole[event.video]) for event in annotated]
        quiet = {whole[video] for video in quiet}
        require_different(annotated, truth)
    else:
        annotated = [event for folder in truth for event in list_annotated_events(corpus, folder, scheme)]
        quiet = set()
    if not annotated:
        raise DatasetError(f"{truth[0]} has no annotated movement, so there is nothing to score. Give another table")
    videos = {event.video for event in annotated} | quiet
    alone = next(iter(videos)) if len(videos) == 1 else None
    answers = {path: read_event_table(path, SPOTTED_REMEDY) for path in spotted}
    nameless = [path for path, table in answers.items() if not _names_videos(table)]
    if alone and len(nameless) > 1:
        raise DatasetError(
            f"{nameless[0]} and {nameless[1]} name no video, and only {alone!r} is annotated. Give one of them"
        )
    names = dict.fromkeys(nameless, alone) if alone else _name_tables(nameless)
    movements = [event for path, table in answers.items() for event in _name_videos(table.events, names.get(path))]
    movements = match_videos(movements, videos)
    require_different(movements, spotted)
    scores = score_spotting(movements, annotated)
    if as_json:
        print_json({"protocol": _NOTE, **_as_dict(scores)})
        return
    for line in _describe(scores):
        click.echo(line)


def _names_videos(table: EventTable) -> bool:
    return all(event.video for event in table.events) and bool(table.events or table.quiet)


def _name_tables(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the name of the video of each table without videos: the shortest end of its path that no other has.

    `truth/a/clip.csv` and `truth/b/clip.csv` are about the videos `a/clip` and `b/clip`.
    """
    tables = {path: path.absolute().with_suffix("").parts for path in paths}
    names: dict[Path, str] = {}
    for path, parts in tables.items():
        others = [other for table, other in tables.items() if table != path]
        lengths = (n for n in range(1, len(parts)) if all(parts[-n:] != other[-n:] for other in others))
        names[path] = str(Path(*parts[-next(lengths, len(parts)) :]))
    return names


def _complete_names(videos: Iterable[str]) -> dict[str, str]:
    """Return the name of each annotated video, with the extension if exactly one video of this path has one."""
    whole: dict[str, list[str]] = defaultdict(list)
    for video in set(videos):
        whole[drop_extension(video)] += [video] if drop_extension(video) != video else []
    return {video: whole[video][0] if len(whole.get(video, [])) == 1 else video for video in set(videos)}


def _name_videos(events: Sequence[VideoEvent], name: str | None) -> list[VideoEvent]:
    """Return events whose video is known. A table without videos is about the video that it is named after."""
    return [event if event.video or name is None else event.in_video(name) for event in events]


def _as_dict(scores: SpottingScores) -> dict[str, object]:
    kinds: dict[str, SpottingScore] = {kind: getattr(scores, kind) for kind in _KINDS}
    tables = {
        kind: {**vars(score), "precision": score.precision, "recall": score.recall, "f1": score.f1}
        for kind, score in kinds.items()
    }
    return {**tables, "recognition_f1": scores.recognition_f1, "strs": scores.strs, "strs_note": scores.strs_note}


def _describe(scores: SpottingScores) -> list[str]:
    lines = [_NOTE, f"{'':6} annotated  spotted  right  precision  recall     F1"]
    for kind in _KINDS:
        score: SpottingScore = getattr(scores, kind)
        lines.append(
            f"{kind:6} {score.annotated:9d} {score.spotted:8d} {score.matched:6d} "
            f"{score.precision:10.3f} {score.recall:7.3f} {score.f1:6.3f}"
        )
    if scores.strs is None:
        lines.append(f"STRS is unknown: {scores.strs_note}.")
    else:
        lines.append(
            f"STRS {scores.strs:.3f} = F1 of spotting {scores.micro.f1:.3f} × F1 of classes "
            f"{scores.recognition_f1:.3f}, of micro-expressions{f': {scores.strs_note}' if scores.strs_note else ''}"
        )
    return lines
