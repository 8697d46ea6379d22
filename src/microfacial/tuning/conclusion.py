"""Conclude a study: score its best settings and those of trial 0 with the protocol of the `train` section.

Only subjects on which nothing was tuned show what the best settings are worth. On the tuning subjects the best of many
trials was selected, so their score is too high.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from microfacial.errors import PipelineError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions, count_by_subject
from microfacial.metrics import uar, uf1
from microfacial.models.presets import resolve
from microfacial.records import FoldPlan, FoldResult, Predictions
from microfacial.tuning.candidates import Candidate, CandidateTrainer
from microfacial.tuning.figures import draw_study
from microfacial.tuning.optuna_storage import StudyStorage, parameter_importances, read_study, write_conclusion
from microfacial.tuning.study_plan import StudyPlan
from microfacial.tuning.trials import Conclusion, StoredStudy, StudyScore, Trial, choose_best

ShowProgress = Callable[[Iterator[FoldResult], str, int], AbstractContextManager[Iterable[FoldResult]]]
"""Function that shows the progress of folds: `(folds, label, number of folds)` → a context that yields the folds."""

# Names of groups of subjects. They are part of names of metrics, in which MLflow allows no commas.
_INNER_FOLDS = "inner folds of the tuning subjects"
_UNSEEN = "never seen by tuning"
_TUNED_ON = "tuned on"
_ALL = "all"
_NESTED_ALL = "all: predicted with settings tuned without them"
_NESTED_UNSEEN = "never seen before: predicted with settings tuned without them"
_CLAIMS = ("never seen", "all: ", "all, each")  # beginnings of valid claims; "all, each" is in older studies


def conclude_study(plan: StudyPlan, root: Path, show_progress: ShowProgress) -> tuple[Conclusion, list[StoredStudy]]:
    """Score the best settings and store the conclusion, unless the study already has one for the same best trials.

    Args:
        plan: the study, with all trials finished.
        root: folder of the project.
        show_progress: shows the progress of each training.

    Returns:
        The conclusion and the stored study of each part.

    Raises:
        PipelineError: trial 0 was never finished.
    """
    storage = StudyStorage(root, plan.config)
    studies = [read_study(storage.open(), part.spec.name) for part in plan.parts]
    best = [_require_best(study) for study in studies]
    numbers = tuple(trial.number for trial in best)
    conclusion = studies[0].conclusion
    if conclusion is None or conclusion.best != numbers:
        score = _score_nested if len(studies) > 1 else _score_split
        findings = tuple(score(plan, best, show_progress))
        looks = conclusion.looks if conclusion else 0
        conclusion = Conclusion(best=numbers, findings=findings, looks=looks + bool(findings))
        write_conclusion(storage, studies[0].name, conclusion)
    return conclusion, studies


def find_claim(conclusion: Conclusion) -> StudyScore | None:
    """Return the score on subjects on which nothing was tuned, the only one that shows what the settings are worth.

    Args:
        conclusion: result of the study.

    Returns:
        The score, or None if there are no such subjects.
    """
    return next((score for score in conclusion.findings if score.part.startswith(_CLAIMS)), None)


def draw_study_figures(plan: StudyPlan, root: Path, studies: Sequence[StoredStudy]) -> dict[str, Figure]:
    """Draw the figures of all parts of a study.

    Args:
        plan: the study.
        root: folder of the project.
        studies: the stored study of each part.

    Returns:
        Figures by file name.
    """
    storage = StudyStorage(root, plan.config)
    figures: dict[str, Figure] = {}
    for part, study in zip(plan.parts, studies, strict=True):
        prefix = f"{part.spec.group.replace(' ', '_')}_" if part.spec.group else ""
        drawn = draw_study(study.trials, part.spec.space, parameter_importances(storage, study.name))
        figures |= {f"{prefix}{name}.png": figure for name, figure in drawn.items()}
    return figures


def score_candidate(part: str, candidate: Predictions, reference: Predictions, *, config: TrainConfig) -> StudyScore:
    """Score the best settings and trial 0 on the same clips. The interval of the difference draws subjects.

    Args:
        part: which subjects the clips belong to, in words.
        candidate: predictions with the best settings.
        reference: predictions with the settings of trial 0, for the same clips.
        config: the protocol, with the number of draws and their seed.

    Returns:
        Both scores and their paired difference.
    """
    pooled = [count_by_subject(predictions).sum(axis=1) for predictions in (candidate, reference)]
    return StudyScore(
        part=part,
        subjects=len(np.unique(candidate.subjects)),
        clips=len(candidate.clips),
        uf1=(float(uf1(pooled[0]).mean()), float(uf1(pooled[1]).mean())),
        uar=(float(uar(pooled[0]).mean()), float(uar(pooled[1]).mean())),
        difference=compare_predictions(candidate, reference, config.bootstrap_draws, config.seed),
    )


def _score_split(plan: StudyPlan, best: Sequence[Trial], show_progress: ShowProgress) -> Iterator[StudyScore]:
    """Score on inner folds, on unseen subjects, on tuning subjects and on all. Yield nothing if trial 0 is the best."""
    (trial,), (part,) = best, plan.parts
    if trial.reference:
        return
    inner_folds, trainer = part.inner_folds, part.inner_folds.trainer
    candidates = {f"trial {trial.number}": _to_candidate(trial), "trial 0": plan.reference.candidate}
    inner = [
        inner_folds.gather(name, [fold for chunk in inner_folds.train(candidate, 0) for fold in chunk])
        for name, candidate in candidates.items()
    ]
    yield score_candidate(_INNER_FOLDS, *inner, config=inner_folds.protocol)
    plans = trainer.plan_protocol()
    predictions = [
        trainer.gather_protocol(name, _train(trainer, name, candidate, plans, show_progress))
        for name, candidate in candidates.items()
    ]
    subjects = set(predictions[0].subjects.tolist())
    groups = {
        _UNSEEN: subjects - {*inner_folds.subjects, *plan.tuned_before},
        _TUNED_ON: subjects & {*inner_folds.subjects},
        _ALL: subjects,
    }
    for label, group in groups.items():
        if group:
            pair = [model.of_subjects(group) for model in predictions]
            yield score_candidate(label, *pair, config=trainer.data.protocol)


def _score_nested(plan: StudyPlan, best: Sequence[Trial], show_progress: ShowProgress) -> Iterator[StudyScore]:
    """Score all subjects, each predicted with settings that were tuned without it."""
    trainer = plan.parts[0].inner_folds.trainer
    subjects = {clip.person for clip in trainer.data.clips}
    folds: list[FoldResult] = []
    for part, trial in zip(plan.parts, best, strict=True):
        plans = part.inner_folds.trainer.plan_protocol(subjects - set(part.inner_folds.subjects))
        folds += _train(part.inner_folds.trainer, part.spec.group, _to_candidate(trial), plans, show_progress)
    reference = _train(trainer, "trial 0", plan.reference.candidate, trainer.plan_protocol(), show_progress)
    predictions = [trainer.gather_protocol("nested", folds), trainer.gather_protocol("trial 0", reference)]
    unseen = subjects - {*plan.tuned_before}
    if unseen:
        label = _NESTED_ALL if unseen == subjects else _NESTED_UNSEEN
        pair = [model.of_subjects(unseen) for model in predictions]
        yield score_candidate(label, *pair, config=trainer.data.protocol)


def _train(
    trainer: CandidateTrainer, label: str, candidate: Candidate, plans: list[FoldPlan], show_progress: ShowProgress
) -> list[FoldResult]:
    folds = trainer.train_protocol(candidate, plans)
    with show_progress(folds, f"{label} on test subjects", len(plans)) as shown:
        return list(shown)


def _to_candidate(trial: Trial) -> Candidate:
    return Candidate(trial.model, resolve(trial.model, dict(trial.settings), f"trial {trial.number}"))


def _require_best(study: StoredStudy) -> Trial:
    best = choose_best(study.trials)
    if best is None or not any(trial.reference and trial.state == "complete" for trial in study.trials):
        raise PipelineError(
            f"study {study.name}: trial 0 was never finished, so no trial can be compared with it. "
            "Run the command again"
        )
    return best
