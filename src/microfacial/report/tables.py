"""Rows of the page's tables: subjects, hard clips, the data, and the ablation."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microfacial import files
from microfacial.errors import DamagedError, StorageError
from microfacial.formats import parse_decimal, parse_whole
from microfacial.metrics import confusion, f1_by_class, recall_by_class
from microfacial.records import Clip, Predictions
from microfacial.report.results import ModelResult

_IGNORES_CLIPS = "majority"  # this model does not look at clips, so it cannot find one hard
_PARTS, _SHIFTS = "ablation.csv", "jitter.csv"  # the second is missing for published maps
_SCORES = ("", "_sd", "_difference", "_difference_low", "_difference_high")  # after uf1 and uar in names of columns


# --- subjects and clips -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SubjectRow:
    """Accuracy on one test subject.

    Attributes:
        subject: The person, such as casme2/sub03.
        clips: Number of clips.
        shares: Share of correct predictions of each model, averaged over repetitions, 0 to 1.
        mean: Mean share of the models that look at clips, 0 to 1.
    """

    subject: str
    clips: int
    shares: tuple[float, ...]
    mean: float


def share_by_subject(results: Sequence[ModelResult]) -> list[SubjectRow]:
    """Return the accuracy on each test subject, the hardest subject first.

    Args:
        results: Results of all models for the same clips; shares come in this order.
    """
    names, subject, clips = np.unique(results[0].predictions.subjects, return_inverse=True, return_counts=True)
    right = [(result.predictions.predicted == result.predictions.truth).mean(axis=0) for result in results]  # (n,) each
    shares = [np.bincount(subject, weights=model) / clips for model in right]
    looks = [result.model != _IGNORES_CLIPS for result in results]
    rows = [
        SubjectRow(
            subject=str(name),
            clips=int(count),
            shares=tuple(map(float, row)),
            mean=float(row[looks].mean()) if any(looks) else float(row.mean()),
        )
        for name, count, row in zip(names, clips, np.transpose(shares), strict=True)
    ]
    return sorted(rows, key=lambda row: (row.mean, row.subject))


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Scores of one model on the clips of one class, averaged over repetitions.

    Attributes:
        label: The class.
        clips: Number of clips of the class.
        f1: F1, 0 to 1; NaN if no test clip has the class.
        recall: Share of the clips that are predicted correctly, 0 to 1; NaN if no test clip has the class.
    """

    label: str
    clips: int
    f1: float
    recall: float


def score_by_class(predictions: Predictions) -> list[ClassScore]:
    """Return the F1 and the recall of each class. UF1 and UAR are their means.

    Args:
        predictions: Predictions of one model.
    """
    classes = predictions.classes
    counts = np.stack([confusion(predictions.truth, predicted, len(classes)) for predicted in predictions.predicted])
    scores = zip(
        classes,
        counts[0].sum(axis=1).tolist(),
        f1_by_class(counts).mean(axis=0).tolist(),
        recall_by_class(counts).mean(axis=0).tolist(),
        strict=True,
    )
    return [ClassScore(label=label, clips=clips, f1=f1, recall=recall) for label, clips, f1, recall in scores]


@dataclass(frozen=True, kw_only=True)
class HardClip:
    """A clip that models get wrong.

    Attributes:
        clip: Id of the clip.
        truth: Its class.
        wrong: Number of models that predict another class.
        models: Number of models that look at clips.
        truth_probability: Mean probability that these models give to the truth, 0 to 1.
        answers: Predicted classes and the number of models that predict each, most frequent first.
    """

    clip: str
    truth: str
    wrong: int
    models: int
    truth_probability: float
    answers: tuple[tuple[str, int], ...]


def list_hardest(results: Sequence[ModelResult], most: int) -> list[HardClip]:
    """Return the clips that most models get wrong.

    Clips with the same number of wrong models are sorted by the probability of their truth, lowest first. The majority
    model does not count, because it does not look at clips.

    Args:
        results: Results of all models for the same clips.
        most: Number of clips to return at most.
    """
    predictions = [result.predictions for result in results if result.model != _IGNORES_CLIPS]
    if not predictions:
        return []
    clips = [_count_answers(predictions, row) for row in range(len(predictions[0].clips))]
    hard = [clip for clip in clips if clip.wrong]
    return sorted(hard, key=lambda clip: (-clip.wrong, clip.truth_probability, clip.clip))[:most]


def _count_answers(predictions: Sequence[Predictions], row: int) -> HardClip:
    classes, truth = predictions[0].classes, int(predictions[0].truth[row])
    answers = Counter(classes[model.voted[row]] for model in predictions)
    return HardClip(
        clip=str(predictions[0].clips[row]),
        truth=classes[truth],
        wrong=len(predictions) - answers[classes[truth]],
        models=len(predictions),
        truth_probability=float(np.mean([model.probabilities[:, row, truth].mean() for model in predictions])),
        answers=tuple(sorted(answers.items(), key=lambda item: (-item[1], item[0]))),
    )


# --- data -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CountRow:
    """Number of clips of each class.

    Attributes:
        name: The corpus or person.
        counts: Number of clips of each class, in the order of the classes.
    """

    name: str
    counts: tuple[int, ...]


def count_clips(clips: Sequence[Clip], classes: Sequence[str], *, by_person: bool) -> list[CountRow]:
    """Count the clips of each class, for every person or every corpus, sorted by name.

    Args:
        clips: Clips of the data set.
        classes: Classes in the order of the columns.
        by_person: True for a row per person, False for a row per corpus.
    """
    counts = Counter((clip.person if by_person else clip.corpus, clip.label) for clip in clips)
    names = sorted({name for name, _ in counts})
    return [CountRow(name=name, counts=tuple(counts[name, label] for label in classes)) for name in names]


def describe_clips(clips: Sequence[Clip]) -> Iterator[tuple[str, str]]:
    """Yield names and values of facts about the data set, such as its size and frame rate.

    Args:
        clips: Clips of the data set.
    """
    people = Counter(clip.person for clip in clips)
    yield "Clips", f"{len(clips)} of {len(people)} subjects"
    yield "Clips per subject", _describe_range(list(people.values()), "")
    yield "Frame rate", _describe_range([clip.fps for clip in clips], " fps")
    moving = [clip for clip in clips if clip.onset != clip.apex]
    if moving:  # published maps have no frames
        onset_to_apex = [1000 * (clip.apex - clip.onset) / clip.fps for clip in moving]
        yield "Onset to apex", _describe_range(onset_to_apex, " ms")
        onset_to_offset = [1000 * (clip.offset - clip.onset) / clip.fps for clip in moving]
        yield "Onset to offset", _describe_range(onset_to_offset, " ms")
    sources = Counter(clip.apex_source for clip in clips)
    yield "Apex", ", ".join(f"{count} {source}" for source, count in sources.most_common())
    noted = sum(bool(clip.notes) for clip in clips)
    yield "Clips with a note", f"{noted}; clips.csv has the notes" if noted else "none"


def _describe_range(values: Sequence[float], unit: str) -> str:
    low, median, high = min(values), float(np.median(values)), max(values)
    return f"{low:.0f}{unit}" if low == high else f"{low:.0f}–{high:.0f}{unit}, median {median:.0f}{unit}"


# --- ablation ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AblationTables:
    """Tables that `microfacial ablate` wrote, one dictionary per row, every cell as text.

    Attributes:
        parts: Scores of the hybrid with and without each part; the first row is the full hybrid.
        shifts: Scores after the apex was shifted; empty for published maps, which have no frames.
    """

    parts: list[dict[str, str]]
    shifts: list[dict[str, str]]


def digest_ablation(folder: Path) -> str:
    """Return the digest of the tables of an ablation, as `report.ablation` in params.yaml names it.

    Args:
        folder: Folder that `microfacial ablate` wrote.

    Raises:
        StorageError: The folder has no tables.
    """
    shifts = folder / _SHIFTS
    return files.digest([folder / _PARTS, *([shifts] if shifts.exists() else [])])


def read_ablation(folder: Path, digest: str) -> AblationTables:
    """Read the tables of an ablation, if they have the given digest. So the same params.yaml gives the same page.

    Args:
        folder: Folder that `microfacial ablate` wrote.
        digest: Digest that the tables must have.

    Raises:
        StorageError: The tables are missing or have another digest.
    """
    if not folder.exists() or digest_ablation(folder) != digest:
        raise StorageError(
            f"{folder} does not contain the tables that report.ablation names ({digest}). "
            "Run `microfacial ablate`, which prints the digest to set, or set report.ablation to null"
        )
    parts = _read_ablation_table(folder / _PARTS, "hybrid")
    shifts = _read_ablation_table(folder / _SHIFTS, "shift_frames") if (folder / _SHIFTS).exists() else []
    return AblationTables(parts=parts, shifts=shifts)


def _read_ablation_table(path: Path, label: str) -> list[dict[str, str]]:
    """Read a table of an ablation. Cells of rows without scores are empty."""
    remedy = "Run `microfacial ablate` again, or set report.ablation to null"
    scores = [f"{score}{end}" for score in ("uf1", "uar") for end in _SCORES]
    rows = files.read_csv(path, (label, "repeats", *scores, "note"), remedy)
    with files.refuse_damaged(path, remedy):
        if not rows or not rows[0]["uf1"]:
            raise DamagedError("the first row has no scores")
        for row in rows:
            parse_whole(row["repeats"])
            for score in scores:
                if row[score]:
                    parse_decimal(row[score])
    return rows


def is_outdated(ablation: AblationTables, results: Sequence[ModelResult]) -> bool:
    """Return whether an ablation belongs to other settings, data or repetitions than the results.

    This is so if the full hybrid of the ablation and the hybrid of the results have different scores.

    Args:
        ablation: Tables of the ablation.
        results: Results of all models.
    """
    full = ablation.parts[0]
    hybrid = next((result.evaluation for result in results if result.model == "hybrid"), None)
    if hybrid is None or int(full["repeats"]) != hybrid.repeats:
        return True
    return abs(float(full["uf1"]) - hybrid.overall.uf1) > 1e-6
