"""Command `study`: search a model's settings on some subjects, then score the best settings on the others.

It is not a stage of dvc.yaml, because it changes a database of trials, which DVC cannot hash. `study apply` writes the
best settings into params.yaml.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import click
from matplotlib.figure import Figure

from microfacial.errors import hide_password
from microfacial.evaluation.experiment import load_data
from microfacial.locks import exclusive_lock
from microfacial.models.lookup import find_model, list_models
from microfacial.models.presets import resolve
from microfacial.pipeline.config import Config, describe_unused_holdout, load_for_classes
from microfacial.pipeline.data_version import data_version
from microfacial.pipeline.progress import format_duration, progress_bar
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import dvc_hash, git_tags
from microfacial.pipeline.task_backend import chosen_backend
from microfacial.preprocessing.store import features_digest
from microfacial.settings import with_current_keys
from microfacial.source_code import code_digest
from microfacial.tracking.model_versions import find_version, registered_name
from microfacial.tracking.store import connect
from microfacial.tracking.studies import StudyIdentity, StudyRun, tolerate_mlflow_errors
from microfacial.tuning.candidates import Candidate, CandidateTrainer
from microfacial.tuning.conclusion import conclude_study, draw_study_figures
from microfacial.tuning.description import describe_study, describe_trial, remaining_seconds
from microfacial.tuning.optuna_storage import StudyStorage
from microfacial.tuning.search import search
from microfacial.tuning.study_plan import Reference, StudyPart, StudyPlan, plan_study
from microfacial.tuning.trials import Conclusion, StoredStudy, Trial

_ROOT = Path()


def run_study(project: Project, model: str, workers: int | None, processes: int, *, conclude: bool = True) -> None:
    """Run trials until all are finished, then score the best settings and print the result.

    Args:
        project: the data set.
        model: name of the model whose settings are searched.
        workers: number of processes that share the trials. None uses the number in params.yaml.
        processes: number of processes that train folds, over all workers.
        conclude: whether to score the best settings. Additional workers of a study do not.

    Raises:
        ConfigError: the model has no parameters to search, or a setting is wrong.
        ProtocolError: the subjects cannot be divided into folds.
        PipelineError: MLflow or the database of studies cannot be opened.
    """
    config = load_for_classes(PARAMS)
    workers = workers or config.study.workers
    config.study.require_storage_for(workers)
    processes = max(1, processes // workers)
    plan = _make_plan(project, config, model, processes)
    if plan.config.repeats < config.study.repeats:
        click.echo(
            f"study {model}: 1 repetition, not {config.study.repeats}, because the seed does not change this model"
        )
    warning = describe_unused_holdout(config.train)
    if warning and conclude:
        click.echo(f"study {model}: {PARAMS}: {warning}", err=True)
    run = _TrackedStudy(lambda: _open_run(project, config, plan))

    def print_part(part: StudyPart) -> None:
        folds, subjects = part.inner_folds.folds_per_repetition, len(part.inner_folds.subjects)
        click.echo(
            f"{part.label}: {plan.name}: {config.study.trials} trials on {folds} inner folds of {subjects} subjects, "
            f"trial 0 from {plan.reference.origin}"
        )

    def log_trial(part: StudyPart, trial: Trial, study: StoredStudy) -> None:
        run.log(trial)
        line = describe_trial(trial, study, config.study.trials, len(part.inner_folds.plans))
        seconds = remaining_seconds(study, config.study.trials)
        remaining = f", about {format_duration(max(1.0, seconds))} of work left" if seconds else ""
        click.echo(f"{part.label}: {line}{remaining}")

    with chosen_backend(config.run, processes):
        with _additional_workers(model, workers - 1, processes):
            finished = search(plan, _ROOT, on_part=print_part, on_trial=log_trial)
        if conclude and finished:
            lock = StudyStorage(_ROOT, config.study).lock_path(f"{plan.name}.conclusion")
            with exclusive_lock(lock, "another worker that scores the best settings"):
                _conclude(plan, run)
    if conclude and not finished:
        click.echo(f"study {model}: the time is over. Run the same command to continue")


def _make_plan(project: Project, config: Config, model: str, processes: int) -> StudyPlan:
    settings = config.models.get(model) or resolve(model, {}, f"{PARAMS}: models.{model}")
    base = Candidate(model, settings)
    tuned_on = config.tuned[model].subjects if model in config.tuned else ()
    trainer = CandidateTrainer(
        data=load_data(),
        folder=project.state / "studies",
        features=features_digest(project.results),
        code=code_digest("train", model),
        processes=processes,
    )
    return plan_study(
        base=base,
        reference=_find_reference(config, base, tuned_on),
        tuned_on=tuned_on,
        config=config.study,
        scheme=config.clips.scheme,
        dataset=config.clips.name,
        trainer=trainer,
    )


def _find_reference(config: Config, base: Candidate, tuned_on: tuple[str, ...]) -> Reference:
    """Return the champion's settings, or those of params.yaml if there is no champion."""
    champion = find_version(connect(_ROOT), registered_name(config.clips.name, config.clips.scheme), "champion")
    if champion is None:
        return Reference(base, f"{PARAMS}, because there is no champion", tuned_on)
    name = f"champion {champion.name} version {champion.version}"
    stored = champion.settings
    if champion.model in list_models():
        stored = with_current_keys(stored, find_model(champion.model).settings)
    settings = resolve(champion.model, dict(stored), name)
    return Reference(Candidate(champion.model, settings), f"{name}, {champion.model}", champion.tuned_on)


@contextmanager
def _additional_workers(model: str, count: int, processes: int) -> Iterator[None]:
    """Start `count` more worker processes for this study. If one dies, the others finish its trials."""
    command = [sys.executable, "-m", "microfacial", "study", "run", model, "--workers", "1", "--no-conclusion"]
    command += ["--parent", str(os.getpid()), "--processes", str(processes)]
    workers = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    finally:
        for worker in workers:
            if worker.wait() != 0:
                click.echo(f"study {model}: worker {worker.pid} ended with code {worker.returncode}")


def _conclude(plan: StudyPlan, run: "_TrackedStudy") -> None:
    """Score the best settings, print the result and write it to MLflow."""
    conclusion, studies = conclude_study(
        plan, _ROOT, lambda folds, label, total: progress_bar(folds, f"study {plan.model}, {label}", total, "fold")
    )
    lines = describe_study(conclusion, studies)
    for line in lines:
        click.echo(line)
    trials = [trial for study in studies for trial in study.trials]
    run.finish(trials, conclusion, lines, draw_study_figures(plan, _ROOT, studies))


# --- tracking ---------------------------------------------------------------------------------------------------------


def _open_run(project: Project, config: Config, plan: StudyPlan) -> StudyRun:
    identity = StudyIdentity(
        name=plan.name,
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        model=plan.model,
        tags=git_tags(),
        digests={"data": data_version(project.frames), "flow": dvc_hash(project.results / "flow")},
    )
    subjects = {f"subjects {part.spec.group}".strip(): " ".join(part.inner_folds.subjects) for part in plan.parts}
    storage = hide_password(config.study.storage)
    params = {**plan.config.model_dump(), "storage": storage, "trial 0": plan.reference.origin, **subjects}
    return StudyRun(connect(_ROOT), identity, params, _ROOT)


class _TrackedStudy:
    """The study's run in MLflow. If MLflow fails, the study continues, and the next command writes what is missing."""

    def __init__(self, open_run: Callable[[], StudyRun]) -> None:
        self._open = open_run

    @cached_property
    def _run(self) -> StudyRun | None:
        with tolerate_mlflow_errors(_ROOT):
            return self._open()
        return None

    def log(self, trial: Trial) -> None:
        with tolerate_mlflow_errors(_ROOT):
            if self._run:
                self._run.log_trial(trial)

    def finish(
        self, trials: Sequence[Trial], conclusion: Conclusion, lines: Sequence[str], figures: Mapping[str, Figure]
    ) -> None:
        with tolerate_mlflow_errors(_ROOT):
            if self._run:
                self._run.finish(trials, conclusion, lines, figures)
