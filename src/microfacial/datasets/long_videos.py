"""List the annotated expressions of a corpus of long videos: the truth for spotting."""

import logging
from pathlib import Path

from microfacial.datasets import find_dataset, find_scheme
from microfacial.datasets.annotations import Annotation, FaultyRow, SkippedRow
from microfacial.datasets.clips import classify
from microfacial.datasets.event_table import VideoEvent
from microfacial.datasets.video import VIDEO_EXTENSIONS
from microfacial.errors import DatasetError

_LOG = logging.getLogger(__name__)


def list_annotated_events(corpus: str, folder: Path, scheme: str | None = None) -> list[VideoEvent]:
    """Return all expressions that a corpus annotates in long videos.

    The name of a video is that of its file or of its folder of frames. A corpus that has no macro-expressions in its
    table gives micro-expressions only.

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
    events = []
    faulty = [row for row in release.rows if isinstance(row, FaultyRow)]
    if faulty:
        _LOG.warning("%d rows of %s are faulty and left out, for example: %s", len(faulty), corpus, faulty[0].reason)
    for row in release.rows:
        macro = row.macro if isinstance(row, SkippedRow) else None
        annotation = row if isinstance(row, Annotation) else macro
        if annotation is not None:
            label = _find_class(annotation, scheme) if macro is None else ""
            events.append(_make_event(annotation, release.locate(annotation), label, is_macro=macro is not None))
    return events


def _find_class(row: Annotation, scheme: str | None) -> str:
    """Return the class of a micro-expression; empty if the scheme leaves its emotion out."""
    return row.emotion if scheme is None else classify(row, find_scheme(scheme))[1] or ""


def _make_event(row: Annotation, frames: str, label: str, *, is_macro: bool) -> VideoEvent:
    path = Path(frames)
    apex = row.apex if row.apex is not None and row.onset <= row.apex <= row.offset else (row.onset + row.offset) // 2
    return VideoEvent(
        person=row.subject,
        onset=row.onset,
        apex=apex,
        offset=row.offset,
        label=label,
        kind="macro" if is_macro else "micro",
        video=path.stem if path.suffix.lower() in VIDEO_EXTENSIONS else path.parent.name,
    )
