"""List the annotated expressions of a corpus of long videos: the truth for spotting."""

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from microfacial.datasets import find_dataset, find_scheme
from microfacial.datasets.annotation_table import MACRO
from microfacial.datasets.annotations import Annotation, AnnotationRow, FaultyRow, SkippedRow
from microfacial.datasets.clips import classify, correct
from microfacial.datasets.event_table import VideoEvent, drop_extension
from microfacial.datasets.video import VIDEO_EXTENSIONS
from microfacial.errors import DatasetError

_LOG = logging.getLogger(__name__)


def list_annotated_events(corpus: str, folder: Path, scheme: str | None = None) -> list[VideoEvent]:
    """Return all expressions that a corpus annotates in long videos.

    The name of a video is the path of its file or of its folder of frames below the release. Known corrections are
    applied. A warning counts the rows that are left out, because they are faulty, end before they start or repeat
    another row. A corpus that has no macro-expressions in its table gives micro-expressions only.

    Args:
        corpus: name of the corpus.
        folder: folder of the release.
        scheme: label scheme that turns emotions into classes. None means that emotions are the classes.

    Returns:
        The expressions, in the order of the table.

    Raises:
        DatasetError: the release is not readable, or has no videos.
        ConfigError: there is no such corpus or scheme.
    """
    release = find_dataset(corpus).open_release(folder)
    if release.locate is None:
        raise DatasetError(f"{folder}: {corpus} has no videos, so there is nothing to spot. Choose another corpus")
    events: dict[VideoEvent, None] = {}
    faults = []
    for row in release.rows:
        try:
            event = _read_event(row, release.locate, scheme)
        except DatasetError as error:
            faults.append(str(error))
            continue
        if event in events:
            faults.append(f"{row.id} repeats another row")
        elif event is not None:
            events[event] = None
    if faults:
        _LOG.warning("%d rows of %s are left out, for example: %s", len(faults), corpus, faults[0])
    return list(events)


def _read_event(row: AnnotationRow, locate: Callable[[Annotation], str], scheme: str | None) -> VideoEvent | None:
    """Return the expression in a row; None if the row has none. Raise a DatasetError if the row is faulty."""
    match row:
        case FaultyRow():
            raise DatasetError(row.reason)
        case SkippedRow(reason=reason, macro=None):
            if reason == MACRO:
                raise DatasetError(f"{row.id}: its moments are not numbers of frames")
            return None
        case SkippedRow(macro=Annotation() as macro):
            annotation, label = correct(macro, scheme or ""), ""
        case Annotation() as micro:
            annotation, label = _correct_and_classify(micro, scheme)
    if annotation.offset <= annotation.onset:
        raise DatasetError(f"{row.id}: offset {annotation.offset} is not after onset {annotation.onset}")
    return _make_event(annotation, locate(annotation), label, is_macro=isinstance(row, SkippedRow))


def _correct_and_classify(row: Annotation, scheme: str | None) -> tuple[Annotation, str]:
    """Return the corrected row of a micro-expression and its class, which is empty if the scheme leaves it out."""
    if scheme is None:
        row = correct(row, "")
        return row, row.emotion
    row, label = classify(row, find_scheme(scheme))
    return row, label or ""


def _make_event(row: Annotation, frames: str, label: str, *, is_macro: bool) -> VideoEvent:
    path = PurePosixPath(frames)
    apex = row.apex if row.apex is not None and row.onset <= row.apex <= row.offset else (row.onset + row.offset) // 2
    return VideoEvent(
        person=row.subject,
        onset=row.onset,
        apex=apex,
        offset=row.offset,
        label=label,
        kind="macro" if is_macro else "micro",
        video=drop_extension(frames if path.suffix.lower() in VIDEO_EXTENSIONS else str(path.parent)),
    )
