"""Records of a study: its trials, the scores of its best settings, and its conclusion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from microfacial.records import Comparison

State = Literal["complete", "pruned", "failed", "died", "running", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of settings and its results on the inner folds of a study.

    Attributes:
        number: number of the trial in its study, from 0.
        state: `complete`: all folds are trained. `pruned`: stopped as worse than trial 0. `failed`:
            the settings cannot be trained. `died`: the worker ended, and a trial with another number replaces this one.
        model: name of the model; empty until the settings are known.
        settings: all settings of the model; empty until they are known.
        params: values of the searched parameters.
        scores: score of each trained fold, 0 to 1, by step: repetition × folds per repetition + fold.
        value: UF1 pooled over all inner folds; None if not all of them are trained.
        seconds: duration of the trial.
        reference: whether this is trial 0, with which all others are compared. Its number is greater than 0 if it
            replaces a trial that died.
        group: name of the outer group in a nested study; empty in a split study.
        reason: why a failed trial cannot be trained.
        retry_of: number of the dead trial that this one replaces.
    """

    number: int
    state: State
    model: str
    settings: Mapping[str, Any]
    params: Mapping[str, Any]
    scores: Mapping[int, float]
    value: float | None
    seconds: float
    reference: bool = False
    group: str = ""
    reason: str = ""
    retry_of: int | None = None


@dataclass(frozen=True, kw_only=True)
class StudyScore:
    """Scores of the best settings and of the settings of trial 0 on the same clips.

    Attributes:
        part: which subjects the clips belong to, in words.
        subjects: number of subjects.
        clips: number of clips.
        uf1: UF1 of the best settings and of trial 0.
        uar: UAR of the best settings and of trial 0.
        difference: paired comparison of UF1 and UAR, best settings minus trial 0.
    """

    part: str
    subjects: int
    clips: int
    uf1: tuple[float, float]
    uar: tuple[float, float]
    difference: Comparison


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The result of a study. The fields are stored under these names in the database of studies.

    Attributes:
        best: number of the best trial; in a nested study, of the best trial of each group.
        findings: scores of the best settings; empty if nothing was scored.
        looks: how often the study has scored subjects that were not used for tuning.
    """

    best: tuple[int, ...]
    findings: tuple[StudyScore, ...]
    looks: int = 1


@dataclass(frozen=True)
class StoredStudy:
    """A study as it is stored: a whole split study, or one group of a nested study.

    Attributes:
        name: name of the study, including its group.
        facts: data set, model, subjects and other facts about the study, by name.
        trials: trials in the order of their numbers.
        conclusion: result of the study; None if it is not concluded.
    """

    name: str
    facts: Mapping[str, Any]
    trials: tuple[Trial, ...]
    conclusion: Conclusion | None

    @property
    def finished(self) -> int:
        """Number of trials that ended and need no replacement."""
        return sum(trial.state in ("complete", "pruned", "failed") for trial in self.trials)


def group_parts(studies: Iterable[StoredStudy]) -> list[list[StoredStudy]]:
    """Put the groups of each nested study together.

    Args:
        studies: stored studies.

    Returns:
        The parts of each study: one for a split study. Studies and parts keep their order.
    """
    parts: dict[str, list[StoredStudy]] = {}
    for study in studies:
        parts.setdefault(study.facts.get("study", study.name), []).append(study)
    return list(parts.values())


def find_conclusion(parts: Iterable[StoredStudy]) -> Conclusion | None:
    """Return the conclusion of a study. It is stored with one of the parts.

    Args:
        parts: all parts of the study.
    """
    return next((part.conclusion for part in parts if part.conclusion), None)


def choose_best(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest value. Of equal trials, return the first.

    Args:
        trials: trials in any state.

    Returns:
        The best complete trial, or None if no trial is complete.
    """
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def count_states(trials: Sequence[Trial]) -> str:
    """Return the number of trials in each state that ends a trial, in words.

    Args:
        trials: trials in any state.
    """
    states = [trial.state for trial in trials]
    counts = [f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed", "died") if state in states]
    return ", ".join(counts) or "no trials"
