"""Describe trials and studies in words."""

from collections.abc import Sequence

from microfacial.evaluation.comparison import describe_difference
from microfacial.evaluation.scoring import describe_limits
from microfacial.models.lookup import stored_settings_use_prior
from microfacial.tuning.conclusion import find_claim
from microfacial.tuning.trials import (
    Conclusion,
    StoredStudy,
    StudyScore,
    Trial,
    choose_best,
    count_states,
    find_conclusion,
)


def describe_trial(trial: Trial, study: StoredStudy, trials: int, folds: int) -> str:
    """Return a line about a finished trial and the best trial so far.

    Args:
        trial: a complete, pruned or failed trial.
        study: the study as it is after this trial.
        trials: number of trials that the study will have.
        folds: number of inner folds of a complete trial, over all repetitions.

    Returns:
        One line.
    """
    outcome = {
        "complete": f"UF1 {trial.value or 0:.3f}",
        "pruned": f"stopped after {len(trial.scores)} of {folds} folds, clearly worse than trial 0",
        "failed": f"cannot be trained: {trial.reason}",
    }[trial.state]
    facts = [outcome, f"{trial.seconds:.0f} s"]
    best = choose_best(study.trials)
    if best is not None:
        facts.append(f"best {best.value or 0:.3f} (trial {best.number})")
    return f"trial {trial.number}, {study.finished} of {trials} done: {', '.join(facts)}"


def remaining_seconds(study: StoredStudy, trials: int) -> float:
    """Estimate how long one worker needs for the rest of a study, if later trials take as long as those so far.

    Args:
        study: a study with at least one finished trial.
        trials: number of trials that the study will have.

    Returns:
        Seconds; 0 if all trials are finished.
    """
    mean = sum(trial.seconds for trial in study.trials) / study.finished
    return max(0.0, mean * (trials - study.finished))


def describe_study(conclusion: Conclusion, studies: Sequence[StoredStudy]) -> list[str]:
    """Return lines about the result of a study. They say which score tuning could not influence.

    Args:
        conclusion: result of the study.
        studies: the stored study of each part.

    Returns:
        Lines of text.
    """
    trials = [trial for study in studies for trial in study.trials]
    states = [trial.state for trial in trials]
    facts = studies[0].facts
    lines = [f"{facts['study']}: {count_states(trials)}", f"trial 0: {facts['reference']['origin']}"]
    note = describe_study_limits(studies)
    return [*lines, *_describe_conclusion(conclusion, facts["mode"], states), *filter(None, [note])]


def describe_study_limits(studies: Sequence[StoredStudy]) -> str:
    """Return the reasons why the scores of a study must be read with care, or an empty text.

    Args:
        studies: the stored study of each part.
    """
    subjects = {subject for study in studies for subject in study.facts.get("subjects", ())}  # such as casme2/sub03
    trials = [trial for study in studies for trial in study.trials if trial.model]
    prior = any(stored_settings_use_prior(trial.model, trial.settings) for trial in trials)
    return describe_limits({subject.partition("/")[0] for subject in subjects}, len(subjects), prior=prior)


def _describe_conclusion(conclusion: Conclusion, mode: str, states: Sequence[str]) -> list[str]:
    """Return lines about the scores of the best settings. `states` has the state of each trial."""
    if not conclusion.findings and mode == "nested":
        return ["The settings of params.yaml or of trial 0 were tuned on all subjects, so nothing can be claimed."]
    if not conclusion.findings:
        return ["No trial was better than trial 0 on the inner folds, so nothing was scored on other subjects."]
    lines = [_describe_score(score) for score in conclusion.findings]
    claim = find_claim(conclusion)
    if claim is None:
        return [*lines, "Settings were tuned on all subjects, so nothing can be claimed."]
    if len(conclusion.findings) > 1:
        times = "once" if conclusion.looks == 1 else f"{conclusion.looks} times"
        lines.append(
            "Only subjects that tuning never saw show what the settings are worth, because the best of "
            f"{states.count('complete')} complete trials was chosen on the others. This study scored them {times}."
        )
    return [*lines, describe_difference(claim.difference)]


def describe_stored_study(parts: Sequence[StoredStudy]) -> list[str]:
    """Return lines about a stored study, whether or not it is concluded.

    Args:
        parts: the stored study: one part of a split study, or the groups of a nested study.

    Returns:
        Lines of text.
    """
    conclusion = find_conclusion(parts)
    if conclusion:
        return describe_study(conclusion, parts)
    lines = []
    for part in parts:
        lines.append(f"{part.name}: {count_states(part.trials)}, not concluded")
        best = choose_best(part.trials)
        if best:
            complete = sum(trial.state == "complete" for trial in part.trials)
            lines.append(
                f"best of {complete} complete trials so far: trial {best.number}, UF1 {best.value or 0:.3f} on inner "
                "folds"
            )
            lines += filter(None, [describe_study_limits([part])])
    return lines


def _describe_score(score: StudyScore) -> str:
    low, high = score.difference.uf1_interval
    return (
        f"{score.part}, {score.subjects} subjects, {score.clips} clips: UF1 {score.uf1[0]:.3f} against "
        f"{score.uf1[1]:.3f} of trial 0, {score.difference.uf1_difference:+.3f} [{low:+.3f}, {high:+.3f}]; "
        f"UAR {score.uar[0]:.3f} against {score.uar[1]:.3f}"
    )
