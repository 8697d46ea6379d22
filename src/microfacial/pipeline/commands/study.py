"""Command `study`: search a model's settings on a part of the subjects, then score them on the others.

No stage of dvc.yaml: what it changes, a database of trials, is no file that DVC could hash. `apply` brings the best
settings back as an edit of params.yaml.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure

from microfacial import files
from microfacial.errors import ConfigError, PipelineError
from microfacial.evaluation.comparison import describe_difference
from microfacial.evaluation.experiment import load_data
from microfacial.locks import exclusive_lock
from microfacial.models.presets import resolve
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.progress import format_duration, progress_bar
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import data_version, dvc_hash, git_tags
from microfacial.preprocessing.store import features_digest
from microfacial.records import FoldPlan, FoldResult, Predictions
from microfacial.source_code import code_digest, modules_digest
from microfacial.tracking.model_versions import find_version, registered_name
from microfacial.tracking.store import connect
from microfacial.tracking.studies import StudyIdentity, StudyRun, tolerate_mlflow_errors
from microfacial.tuning.figures import draw_history, draw_parallel_coordinates, draw_parameter_importances, draw_slices
from microfacial.tuning.objective import Candidate, InnerFolds, outer_groups, score_candidate, tuning_subjects
from microfacial.tuning.optuna_study import (
    StoredStudy,
    StudySpec,
    StudyStorage,
    TrialRunner,
    keep_conclusion,
    parameter_importances,
)
from microfacial.tuning.search_space import Space, find_space
from microfacial.tuning.trials import Conclusion, StudyScore, Trial, choose_best

_OWN_CODE = ("search_space", "optuna_study", "trials", "objective")
_BUDGET = {"trials", "minutes", "storage", "workers", "heartbeat_seconds", "subjects"}  # change no trial


def run_study(project: Project, model: str, workers: int | None, processes: int, *, helps: bool = False) -> None:
    """Take trials until all are done, then say what the best settings are worth.

    Args:
        workers: processes that share the trials; as params.yaml says if None.
        helps: whether another process of the same study is there to draw the conclusion.

    Raises:
        ConfigError: the model has nothing to search, or a setting is wrong.
        PipelineError: MLflow or the study's database cannot be opened.
    """
    config = load(PARAMS)
    workers = workers or config.study.workers
    if workers > 1 and config.study.storage == "journal":
        raise ConfigError(
            f"{PARAMS}: study.storage: a journal has no heartbeats, so that nobody would know of a dead worker: "
            f"for {workers} workers set sqlite, or the URL of a database"
        )
    survey = _survey(project, config, model, max(1, processes // workers))
    with _helpers(model, workers - 1, max(1, processes // workers)):
        done = survey.take_trials()
    if helps:
        return
    if not done:
        click.echo(f"study {model}: the time is over. The same command goes on")
        return
    with exclusive_lock(survey.shelf.lock(f"{survey.name}.conclusion"), "another worker that draws the conclusion"):
        survey.conclude()


@contextmanager
def _helpers(model: str, count: int, processes: int) -> Iterator[None]:
    """Other workers of the same study, in processes of their own; who dies is made up for by the others."""
    command = [sys.executable, "-m", "microfacial", "study", "run", model, "--workers", "1", "--helps"]
    helpers = [subprocess.Popen([*command, "--processes", str(processes)]) for _ in range(count)]
    try:
        yield
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        for helper in helpers:
            if helper.wait() != 0:
                click.echo(f"study {model}: worker {helper.pid} ended with code {helper.returncode}")


@dataclass(frozen=True)
class _Reference:
    """What trial 0 has, where it comes from, and on whom it was tuned."""

    candidate: Candidate
    origin: str
    tuned_on: tuple[str, ...]


def _find_reference(config: Config, base: Candidate) -> _Reference:
    """The champion's settings; those of params.yaml if there is none."""
    champion = find_version(connect(Path()), registered_name(config.clips.name, config.clips.scheme), "champion")
    if champion is None:
        tuned = config.tuned.get(base.model)
        return _Reference(base, f"{PARAMS}, as there is no champion", tuned.subjects if tuned else ())
    settings = resolve(champion.model, dict(champion.settings), f"champion {champion.name} version {champion.version}")
    origin = f"champion {champion.name} version {champion.version}, {champion.model}"
    return _Reference(Candidate(champion.model, settings), origin, champion.tuned_on)


def _survey(project: Project, config: Config, model: str, processes: int) -> "_Survey":
    """All that the study needs to know.

    Raises:
        ConfigError: the model has nothing to search, or a subject does not exist.
    """
    space = find_space(model, config.study.keep)
    settings = config.models.get(model) or resolve(model, {}, f"{PARAMS}: models.{model}")
    base = Candidate(model, settings)
    reference = _find_reference(config, base)
    tuned = config.tuned.get(model)
    data = load_data()
    if config.study.mode == "nested":
        groups = outer_groups(data, config.study.outer_groups, config.study.seed)
        everyone = sorted({clip.person for clip in data.clips})
        parts = {
            f"group {number}": tuple(name for name in everyone if name not in group)
            for number, group in enumerate(groups)
        }
    else:
        parts = {"": tuning_subjects(data, config.study.subjects)}
    features = features_digest(project.results)
    facts = {
        "dataset": config.clips.name,
        "scheme": config.clips.scheme,
        "mode": config.study.mode,
        "data": features,
        "base": settings.model_dump(mode="json"),
        "reference": {"origin": reference.origin, "tuned_on": list(reference.tuned_on)},
        "tuned_before": sorted({*(tuned.subjects if tuned else ()), *reference.tuned_on}),
    }
    name = f"{config.clips.name}-{model}-{_digest(config, model, space, reference, facts, parts)[:12]}"
    benches = {
        part: InnerFolds(
            data=data,
            subjects=subjects,
            config=config.study,
            folder=project.state / "studies" / files.as_file_name(f"{name} {part}".strip()),
            features=features,
            code=code_digest("train", model),
            processes=processes,
        )
        for part, subjects in parts.items()
    }
    return _Survey(project, config, name, space, base, reference, facts, benches)


def _digest(
    config: Config,
    model: str,
    space: Space,
    reference: _Reference,
    facts: Mapping[str, Any],
    parts: Mapping[str, Sequence[str]],
) -> str:
    """Stands for everything that trials depend on: another data set, space, protocol or part is another study."""
    return files.digest(
        [],
        code_digest("train", model),
        modules_digest([f"tuning.{module}" for module in _OWN_CODE]),
        facts,
        parts,
        {name: repr(parameter) for name, parameter in space.items()},
        reference.candidate.facts,
        config.train.model_dump(mode="json"),
        config.study.model_dump(mode="json", exclude=_BUDGET),
    )


@dataclass(frozen=True)
class _Survey:
    """One study: a tuning part, or one for each group of subjects."""

    project: Project
    config: Config
    name: str
    space: Space
    base: Candidate
    reference: _Reference
    facts: Mapping[str, Any]
    benches: Mapping[str, InnerFolds]

    @property
    def shelf(self) -> StudyStorage:
        return StudyStorage(Path(), self.config.study)

    @cached_property
    def tracked(self) -> "_Tracked":
        return _Tracked(self)

    def workers(self) -> Iterator[TrialRunner]:
        """One for each tuning part."""
        minutes = self.config.study.minutes
        deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
        for part, bench in self.benches.items():
            question = StudySpec(
                name=f"{self.name} {part}".strip(),
                model=self.base.model,
                base=self.base.settings.model_dump(),
                space=self.space,
                reference=self.reference.candidate,
                facts={**self.facts, "study": self.name, "subjects": list(bench.subjects)},
                group=part,
            )
            yield TrialRunner(question, bench, self.shelf, deadline)

    def take_trials(self) -> bool:
        """Take trials of all parts until they are done; false if the time was over before."""
        wanted = self.config.study.trials
        for worker in self.workers():
            what = f"study {self.base.model} {worker.question.group}".strip()
            subjects = len(worker.bench.subjects)
            click.echo(
                f"{what}: {self.name}: {wanted} trials on {worker.bench.folds} inner folds of {subjects} subjects, "
                f"trial 0 from {self.reference.origin}"
            )
            for trial in worker.run():
                self.tracked.log(trial)
                click.echo(f"{what}: {_tell(trial, worker.read(), wanted, len(worker.bench.plans))}")
            if _finished(worker.read().trials) < wanted:
                return False
        return True

    # --- how it ends --------------------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Score the best settings on everyone, unless that was done, and say and keep what they are worth."""
        kept = [worker.read() for worker in self.workers()]
        best = tuple(_best(one).number for one in kept)
        before = kept[0].conclusion
        if before is None or before.best != best:
            looks = before.looks if before else 0
            found = tuple(self._score_nested(kept) if len(kept) > 1 else self._score_split(kept[0]))
            before = Conclusion(best=best, findings=found, looks=looks + bool(found))
            keep_conclusion(self.shelf, kept[0].name, before)
        lines = describe_study(before, kept)
        for line in lines:
            click.echo(line)
        figures = {name: figure for one in kept for name, figure in self._draw(one).items()}
        self.tracked.finish([trial for one in kept for trial in one.trials], before, lines, figures)

    def _draw(self, kept: StoredStudy) -> dict[str, Figure]:
        """How one tuning part went, by name of a file."""
        shares = parameter_importances(self.shelf, kept.name)
        figures = {"history": draw_history(kept.trials)}
        if len({one.value for one in kept.trials if one.params} - {None}) > 1:
            figures["parallel_coordinates"] = draw_parallel_coordinates(kept.trials, self.space)
            figures["slice"] = draw_slices(kept.trials, self.space)
        if shares:
            figures["importance"] = draw_parameter_importances(shares)
        prefix = f"{kept.facts['group'].replace(' ', '_')}_" if kept.facts["group"] else ""
        return {f"{prefix}{name}.png": figure for name, figure in figures.items()}

    def _score_split(self, kept: StoredStudy) -> Iterator[StudyScore]:
        """On the inner folds, on those that tuning never saw, those that it did, and all; nothing if no trial won."""
        best, (bench,) = _best(kept), self.benches.values()
        if best.reference:
            return
        pair = [_candidate(best), self.reference.candidate]
        names = [f"trial {best.number}", "trial 0"]
        inner = [
            bench.gather_inner(name, [fold for chunk in bench.try_settings(one, 0) for fold in chunk])
            for name, one in zip(names, pair, strict=True)
        ]
        yield score_candidate("inner folds of those tuned on", *inner, config=bench.inner)
        everyone = [self._predict(bench, name, one) for name, one in zip(names, pair, strict=True)]
        persons = set(everyone[0].subjects.tolist())
        parts = {
            "never seen by tuning": persons - {*bench.subjects, *self.facts["tuned_before"]},
            "tuned on": persons & {*bench.subjects},
            "all": persons,
        }
        for part, subjects in parts.items():
            if subjects:
                yield score_candidate(
                    part, *(one.of_subjects(subjects) for one in everyone), config=bench.data.protocol
                )

    def _score_nested(self, kept: Sequence[StoredStudy]) -> Iterator[StudyScore]:
        """On everyone, each predicted with settings that were tuned without them."""
        benches = [*self.benches.values()]
        everyone = {clip.person for clip in benches[0].data.clips}
        folds: list[FoldResult] = []
        for one, bench in zip(kept, benches, strict=True):
            plans = bench.plan_protocol(everyone - set(bench.subjects))
            folds += self._evaluate(bench, str(one.facts["group"]), _candidate(_best(one)), plans)
        found = [
            benches[0].gather_protocol("nested", folds),
            self._predict(benches[0], "trial 0", self.reference.candidate),
        ]
        left = everyone - {*self.facts["tuned_before"]}  # trial 0, or what params.yaml has, was tuned on the others
        if left:
            part = f"{'all' if left == everyone else 'never seen before'}, each by settings tuned without them"
            yield score_candidate(part, *(one.of_subjects(left) for one in found), config=benches[0].data.protocol)

    def _predict(self, bench: InnerFolds, name: str, candidate: Candidate) -> Predictions:
        """The protocol of the `train` section with some settings."""
        return bench.gather_protocol(name, self._evaluate(bench, name, candidate, bench.plan_protocol()))

    def _evaluate(self, bench: InnerFolds, what: str, candidate: Candidate, plans: list[FoldPlan]) -> list[FoldResult]:
        folds = bench.evaluate(candidate, plans)
        with progress_bar(folds, f"study {self.base.model}, {what} on those held out", len(plans), "fold") as bar:
            return list(bar)


class _Tracked:
    """The study's run in MLflow; where that fails the study goes on, and the next command writes what is missing."""

    def __init__(self, survey: _Survey) -> None:
        config = survey.config
        flow = dvc_hash(survey.project.results / "flow")
        identity = StudyIdentity(
            name=survey.name,
            dataset=config.clips.name,
            scheme=config.clips.scheme,
            model=survey.base.model,
            tags=git_tags(),
            digests={"data": data_version(), "flow": flow},
        )
        subjects = {f"subjects {part}".strip(): " ".join(bench.subjects) for part, bench in survey.benches.items()}
        params = {**config.study.model_dump(), "trial 0": survey.reference.origin, **subjects}
        self._run: StudyRun | None = None
        with tolerate_mlflow_errors():
            self._run = StudyRun(connect(Path()), identity, params, Path())

    def log(self, trial: Trial) -> None:
        with tolerate_mlflow_errors():
            if self._run:
                self._run.log_trial(trial)

    def finish(
        self, trials: Sequence[Trial], conclusion: Conclusion, notes: Sequence[str], figures: Mapping[str, Any]
    ) -> None:
        with tolerate_mlflow_errors():
            if self._run:
                self._run.finish(trials, conclusion, notes, figures)


def _candidate(trial: Trial) -> Candidate:
    return Candidate(trial.model, resolve(trial.model, dict(trial.settings), f"trial {trial.number}"))


def _best(kept: StoredStudy) -> Trial:
    best = choose_best(kept.trials)
    if best is None or not any(one.reference and one.state == "complete" for one in kept.trials):
        raise PipelineError(f"study {kept.name}: trial 0 was never finished, so there is nothing to compare with")
    return best


def _finished(trials: Sequence[Trial]) -> int:
    return sum(one.state in ("complete", "pruned", "failed") for one in trials)


# --- in words ---------------------------------------------------------------------------------------------------------


def _tell(trial: Trial, kept: StoredStudy, wanted: int, folds: int) -> str:
    """A finished trial, the best so far, and about how long the others take."""
    outcome = {
        "complete": f"UF1 {trial.value or 0:.3f}",
        "pruned": f"stopped after {len(trial.scores)} of {folds} folds, clearly worse than trial 0",
        "failed": f"cannot be trained: {trial.reason}",
    }[trial.state]
    done, best = _finished(kept.trials), choose_best(kept.trials)
    facts = [outcome, f"{trial.seconds:.0f} s"]
    if best is not None:
        facts.append(f"best {best.value or 0:.3f} (trial {best.number})")
    if done < wanted:
        mean = sum(one.seconds for one in kept.trials) / done
        facts.append(f"about {format_duration(max(1.0, mean * (wanted - done)))} of work left")
    return f"trial {trial.number}, {done} of {wanted} done: {', '.join(facts)}"


def describe_study(conclusion: Conclusion, kept: Sequence[StoredStudy]) -> list[str]:
    """What a study came to, a line each; which score tuning could not have spoilt is said."""
    trials = [one for each in kept for one in each.trials]
    counts = {state: sum(one.state == state for one in trials) for state in ("complete", "pruned", "failed", "died")}
    lines = [f"{kept[0].facts['study']}: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n)]
    lines += [f"trial 0: {kept[0].facts['reference']['origin']}"]
    if not conclusion.findings and kept[0].facts["mode"] == "nested":
        return [*lines, "Nobody is left whom neither params.yaml nor trial 0 was tuned on: nothing can be claimed."]
    if not conclusion.findings:
        return [*lines, "No trial was better than trial 0 on the inner folds: nothing was scored on other subjects."]
    for one in conclusion.findings:
        low, high = one.difference.uf1_interval
        lines.append(
            f"{one.part}, {one.subjects} subjects, {one.clips} clips: UF1 {one.uf1[0]:.3f} against {one.uf1[1]:.3f} "
            f"of trial 0, {one.difference.uf1_difference:+.3f} [{low:+.3f}, {high:+.3f}]; "
            f"UAR {one.uar[0]:.3f} against {one.uar[1]:.3f}"
        )
    claims = [one for one in conclusion.findings if one.part.startswith(("never seen", "all, each"))]
    if not claims:
        return [*lines, "Nobody is left whom tuning never saw: nothing can be claimed."]
    if len(conclusion.findings) > 1:
        lines.append(
            "Only subjects that tuning never saw tell what the settings are worth: on the others the best of "
            f"{len(trials)} trials was chosen. They were scored {_times(conclusion.looks)} for this study."
        )
    return [*lines, describe_difference(claims[0].difference)]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
