"""Search the settings of a planned study: run the trials of all its parts."""

import time
from collections.abc import Callable
from pathlib import Path

from microfacial.tuning.optuna_storage import StudyStorage
from microfacial.tuning.optuna_study import TrialRunner
from microfacial.tuning.study_plan import StudyPart, StudyPlan
from microfacial.tuning.trials import StoredStudy, Trial

OnTrial = Callable[[StudyPart, Trial, StoredStudy], None]


def search(plan: StudyPlan, root: Path, *, on_part: Callable[[StudyPart], None], on_trial: OnTrial) -> bool:
    """Run trials until all trials of all parts are finished or the time of `study.max_minutes` is over.

    Args:
        plan: the study.
        root: folder of the project.
        on_part: called before the first trial of each part.
        on_trial: called after each trial of this worker, with the study as it is then.

    Returns:
        Whether all trials are finished. False if the time was over before.

    Raises:
        ConfigError: the settings of trial 0 cannot be trained.
        PipelineError: the storage cannot be opened.
    """
    config = plan.config
    storage = StudyStorage(root, config)
    deadline = time.monotonic() + 60 * config.max_minutes if config.max_minutes else float("inf")
    for part in plan.parts:
        runner = TrialRunner(part.spec, part.inner_folds, storage, deadline)
        on_part(part)
        for trial in runner.run():
            on_trial(part, trial, runner.read())
        if runner.read().finished < config.trials:
            return False
    return True
