"""A release row by row: what is missing, refused, changed, suspicious or left out, whatever the other rows say."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from microfacial.datasets import DATASETS, CorpusName
from microfacial.datasets.action_units import parse_action_units
from microfacial.datasets.annotations import Annotation, Fault, LeftOut, Release
from microfacial.datasets.clips import classify, correct
from microfacial.datasets.label_schemes import SCHEMES, Scheme
from microfacial.errors import AbsentError, DatasetError
from microfacial.records import Clip

RemarkKind = Literal["missing", "refused", "changed", "suspicious", "dropped"]
LONGEST_S = 0.5  # a micro-expression is over in half a second: Yan et al. 2013, doi:10.1007/s10919-013-0159-8


@dataclass(frozen=True)
class Remark:
    """One thing about one row.

    A row with something `missing` gives no clip; one with something `refused` gives a clip that no data set takes.
    """

    kind: RemarkKind
    text: str

    @property
    def sound(self) -> bool:
        """Whether a data set can be made although this holds."""
        return self.kind not in ("missing", "refused")


@dataclass(frozen=True, kw_only=True)
class CheckedRow:
    """One row: what to call it, its clip (None if it gives none), and what there is to say about it.

    `labels` has its class under each scheme that keeps it.
    """

    name: str
    clip: Clip | None
    labels: Mapping[str, str]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True)
class FoundRelease:
    """A release that was found in a folder, or what is wrong with all of it."""

    corpus: CorpusName
    folder: Path
    release: Release | DatasetError


def find_releases(path: Path) -> tuple[FoundRelease, ...]:
    """Releases in the corpora's own folders below a path, or else in the path itself, or else in any folder below it.

    A corpus' own folder that holds none of its releases is found too, with what is missing.
    """
    below = [found for folder in _own_folders() if (path / folder).is_dir() for found in _open_own(path, folder)]
    if any(not isinstance(found.release, AbsentError) for found in below):
        return tuple(below)
    deeper = (found for place in sorted(path.glob("*")) if place.is_dir() for found in _open_any(place))
    return tuple(_open_any(path)) or (*deeper, *below)


def _own_folders() -> list[str]:
    return list(dict.fromkeys(dataset.folder for dataset in DATASETS.values()))


def _open_own(path: Path, folder: str) -> list[FoundRelease]:
    """The releases in the own folder of one corpus or several; if there is none, one that is absent."""
    tried = [_open(name, path / folder) for name, dataset in DATASETS.items() if dataset.folder == folder]
    present = [found for found in tried if not isinstance(found.release, AbsentError)]
    if present:
        return present
    reasons = "; or ".join(str(found.release) for found in tried)
    return [replace(tried[0], release=AbsentError(reasons))]


def _open_any(folder: Path) -> list[FoundRelease]:
    """The releases of whatever corpora in a folder."""
    tried = (_open(name, folder) for name in DATASETS if name != "demo")  # the demo is opened as CASME II is
    return [found for found in tried if not isinstance(found.release, AbsentError)]


def _open(corpus: CorpusName, folder: Path) -> FoundRelease:
    try:
        return FoundRelease(corpus=corpus, folder=folder, release=DATASETS[corpus].open_release(folder))
    except DatasetError as error:
        return FoundRelease(corpus=corpus, folder=folder, release=error)


def check_release(release: Release, max_gap: int, look: Callable[[Clip], object]) -> Iterator[CheckedRow]:
    """Yield what there is to say about each row.

    Args:
        max_gap: a missing key frame is taken from at most this many frames away.
        look: reads a clip's frames, and raises DatasetError where they cannot be used.
    """
    seen = Counter[str]()
    for row in release.rows:
        if isinstance(row, Annotation):
            seen[row.id] += 1
            yield _add(_survey_row(row, release, max_gap, look), _refuse_repetition(seen[row.id]))
        else:
            yield _survey_nothing(row)


def _survey_nothing(row: Fault | LeftOut) -> CheckedRow:
    remark = Remark("missing" if isinstance(row, Fault) else "dropped", row.reason)
    return CheckedRow(name=row.id, clip=None, labels={}, remarks=(remark,))


def _survey_row(row: Annotation, release: Release, max_gap: int, look: Callable[[Clip], object]) -> CheckedRow:
    corrected = correct(row, scheme="")
    try:
        clip = release.make_clip(corrected, "", max_gap)
        look(clip)
    except DatasetError as error:
        return CheckedRow(name=_name(row), clip=None, labels={}, remarks=(Remark("missing", _tell(error, row)),))
    labels, remarks = _classify(row, corrected)
    changed = [Remark("changed", note) for note in filter(None, clip.notes.split("; "))]
    return CheckedRow(name=_name(row), clip=clip, labels=labels, remarks=(*changed, *remarks, *_suspect(row, clip)))


def _tell(error: DatasetError, row: Annotation) -> str:
    """What an error says, without the id of the row, which the row's name begins with."""
    return str(error).removeprefix(f"{row.id}: ")


def _name(row: Annotation) -> str:
    return f"{row.id} ({row.where})" if row.where else row.id


def _add(surveyed: CheckedRow, remarks: tuple[Remark, ...]) -> CheckedRow:
    return replace(surveyed, remarks=(*surveyed.remarks, *remarks))


def _refuse_repetition(times: int) -> tuple[Remark, ...]:
    return (Remark("refused", "is annotated before: no data set takes a clip twice"),) if times > 1 else ()


# --- labels -----------------------------------------------------------------------------------------------------------


def _classify(row: Annotation, corrected: Annotation) -> tuple[dict[str, str], list[Remark]]:
    """The class under each scheme, and what schemes change or drop beside what holds under any."""
    labels: dict[str, str] = {}
    remarks: list[Remark] = []
    unknown: list[str] = []
    schemes = [scheme for scheme in SCHEMES.values() if row.vocabulary in scheme.rules]
    for scheme in schemes:
        try:
            label, notes = _label(row, scheme)
        except DatasetError as error:
            unknown.append(_tell(error, row))
            continue
        if label is not None:
            labels[scheme.name] = label
        remarks += [
            Remark("dropped" if label is None else "changed", f"under {scheme.name}: {note}")
            for note in notes
            if note not in corrected.notes
        ]
    remarks += [Remark("suspicious" if len(unknown) < len(schemes) else "refused", text) for text in unknown]
    if schemes and not labels and not remarks:
        remarks.append(Remark("dropped", f"no scheme keeps {row.emotion}"))
    return labels, remarks


def _label(row: Annotation, scheme: Scheme) -> tuple[str | None, tuple[str, ...]]:
    classified, label = classify(row, scheme)
    return label, classified.notes


def count_classes(rows: list[CheckedRow]) -> dict[str, Counter[str]]:
    """Clips of each class under each scheme that keeps any, in the schemes' order of classes."""
    counts: dict[str, Counter[str]] = {}
    for scheme in SCHEMES.values():
        found = Counter(row.labels[scheme.name] for row in rows if scheme.name in row.labels)
        if found:
            counts[scheme.name] = Counter({label: found[label] for label in scheme.classes})
    return counts


# --- suspicions -------------------------------------------------------------------------------------------------------


def _suspect(row: Annotation, clip: Clip) -> Iterator[Remark]:
    for doubt in (*_doubt_interval(row, clip), *_doubt_frames(clip), *_doubt_action_units(clip)):
        yield Remark("suspicious", doubt)


def _doubt_interval(row: Annotation, clip: Clip) -> Iterator[str]:
    seconds = (clip.offset - clip.onset) / clip.fps
    if seconds > LONGEST_S:
        yield f"lasts {seconds:.2f} s, longer than a micro-expression ({LONGEST_S} s)"
    if row.apex is not None and row.apex == row.offset != row.onset:
        yield f"apex {row.apex} is the offset"


def _doubt_frames(clip: Clip) -> Iterator[str]:
    absent = clip.offset - clip.onset + 1 - len(clip.numbers)
    if absent:
        yield f"{absent} of the {absent + len(clip.numbers)} frames from onset to offset are absent"


def _doubt_action_units(clip: Clip) -> Iterator[str]:
    for term in parse_action_units(clip.action_units):
        if isinstance(term, str):
            yield f"action units {clip.action_units!r}: {term!r} is no action unit"
