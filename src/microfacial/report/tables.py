"""What the page's tables hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microfacial import files
from microfacial.errors import StorageError
from microfacial.records import Clip, Predictions
from microfacial.report.results import Result

BLIND = "majority"  # looks at no clip, so that it finds none hard
_DECIDE = ("numpy", "opencv-python", "pandas", "scikit-learn", "scipy", "torch")  # the packages that results hang on
_ABLATION = ("ablation.csv", "jitter.csv")  # the second is not there on published maps


# --- subjects and clips -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SubjectRow:
    """A held-out subject: its clips, and the share of them that each model has right, averaged over repetitions.

    `mean` is over the models that look at clips.
    """

    subject: str
    clips: int
    shares: tuple[float, ...]
    mean: float


def share_by_subject(results: Sequence[Result]) -> list[SubjectRow]:
    """A row a held-out subject, the hardest for all models together first."""
    names, subject, clips = np.unique(results[0].predictions.subjects, return_inverse=True, return_counts=True)
    shares = [np.bincount(subject, weights=_right(result.predictions)) / clips for result in results]
    looking = [result.model != BLIND for result in results]
    rows = [
        SubjectRow(
            subject=str(name),
            clips=int(count),
            shares=tuple(map(float, own)),
            mean=float(own[looking].mean()) if any(looking) else float(own.mean()),
        )
        for name, count, own in zip(names, clips, np.transpose(shares), strict=True)
    ]
    return sorted(rows, key=lambda row: (row.mean, row.subject))


def _right(predictions: Predictions) -> Any:
    """How often each clip is predicted rightly, `(n,)`."""
    return (predictions.predicted == predictions.truth).mean(axis=0)


@dataclass(frozen=True, kw_only=True)
class HardClip:
    """A clip that many models get wrong: `wrong` of the `asked`. `said` counts what they take it for."""

    clip: str
    truth: str
    wrong: int
    asked: int
    chance: float
    said: tuple[tuple[str, int], ...]


def list_hardest(results: Sequence[Result], most: int) -> list[HardClip]:
    """Clips that most models get wrong; among equals the one whose truth they give the least probability first.

    The majority class is not asked: it looks at no clip.
    """
    asked = [result.predictions for result in results if result.model != BLIND]
    if not asked:
        return []
    clips = [_ask(asked, row) for row in range(len(asked[0].clips))]
    hard = sorted((clip for clip in clips if clip.wrong), key=lambda clip: (-clip.wrong, clip.chance, clip.clip))
    return hard[:most]


def _ask(asked: Sequence[Predictions], row: int) -> HardClip:
    classes, truth = asked[0].classes, int(asked[0].truth[row])
    said = Counter(classes[found.voted[row]] for found in asked)
    return HardClip(
        clip=str(asked[0].clips[row]),
        truth=classes[truth],
        wrong=len(asked) - said[classes[truth]],
        asked=len(asked),
        chance=float(np.mean([found.probabilities[:, row, truth].mean() for found in asked])),
        said=tuple(sorted(said.items(), key=lambda item: (-item[1], item[0]))),
    )


# --- data -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CountRow:
    """Clips of each class, of a corpus or of a person."""

    name: str
    counts: tuple[int, ...]


def count_clips(clips: Sequence[Clip], classes: Sequence[str], *, by_person: bool) -> list[CountRow]:
    """Clips of each class for every person, or every corpus, in the order of their names."""
    found = Counter((clip.person if by_person else clip.corpus, clip.label) for clip in clips)
    names = sorted({name for name, _ in found})
    return [CountRow(name=name, counts=tuple(found[name, label] for label in classes)) for name in names]


def describe_clips(clips: Sequence[Clip]) -> Iterator[tuple[str, str]]:
    """Facts on the data set, each with its name."""
    people = Counter(clip.person for clip in clips)
    yield "Clips", f"{len(clips)} of {len(people)} subjects"
    yield "Clips a subject", _span(list(people.values()), "")
    yield "Frame rate", _span([clip.fps for clip in clips], " fps")
    moving = [clip for clip in clips if clip.onset != clip.apex]
    if moving:  # published maps have no frames
        yield "Onset to apex", _span([1000 * (clip.apex - clip.onset) / clip.fps for clip in moving], " ms")
        yield "Onset to offset", _span([1000 * (clip.offset - clip.onset) / clip.fps for clip in moving], " ms")
    sources = Counter(clip.apex_source for clip in clips)
    yield "Apex", ", ".join(f"{count} {source}" for source, count in sources.most_common())
    corrected = sum(bool(clip.notes) for clip in clips)
    yield "Clips with a note", f"{corrected}, each in clips.csv" if corrected else "none"


def _span(values: Sequence[float], unit: str) -> str:
    low, middle, high = min(values), float(np.median(values)), max(values)
    return f"{low:.0f}{unit}" if low == high else f"{low:.0f}–{high:.0f}{unit}, median {middle:.0f}{unit}"


# --- settings ---------------------------------------------------------------------------------------------------------


def flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys with dots and values as params.yaml writes them."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _as_yaml(value)


def _as_yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(_as_yaml, value))}]" if isinstance(value, list | tuple) else f"{value}"


def drop_unused_flow(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The flow section without the parts of methods that were not chosen."""
    return {key: value for key, value in flow.items() if key == flow["method"] or not isinstance(value, Mapping)}


def read_pins(path: Path) -> dict[str, str]:
    """Versions of the packages that decide results, as constraints.txt pins them.

    Raises:
        StorageError: the file is missing or does not pin one of them.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    for name in _DECIDE:
        if name not in pinned:
            raise StorageError(f"{path} does not pin {name}. Restore it: `git checkout {path}`")
    return {name: pinned[name] for name in _DECIDE}


# --- ablation ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AblationTables:
    """Rows of the tables of `microfacial ablate`, as text; `shifts` is empty where apexes could not be shifted."""

    parts: list[dict[str, str]]
    shifts: list[dict[str, str]]


def digest_ablation(folder: Path) -> str:
    """Stands for the tables in the folder of `microfacial ablate`.

    Raises:
        StorageError: there are none.
    """
    return files.digest(
        [folder / name for name in _ABLATION if name == _ABLATION[0] or (folder / name).exists()],
    )


def read_ablation(folder: Path, digest: str) -> AblationTables:
    """The tables with this digest: whatever they say, the same digest gives the same page.

    Raises:
        StorageError: they are missing, or others lie there.
    """
    if not folder.exists() or digest_ablation(folder) != digest:
        raise StorageError(
            f"{folder}: the tables that report.ablation names ({digest}) are not there. "
            "Run `microfacial ablate`, which prints what to set, or set report.ablation to null"
        )
    parts, shifts = (files.read_csv(folder / name) if (folder / name).exists() else [] for name in _ABLATION)
    return AblationTables(parts=parts, shifts=shifts)
