"""Search a model's settings: trials of an Optuna study on the inner folds of a tuning part, each against trial 0.

Trial 0 has the settings of the champion, or those of params.yaml. Every other trial is compared with it fold by fold,
and stopped once it is clearly worse. Optuna's own WilcoxonPruner compares with the best trial so far, which was chosen
for being lucky.

A study is kept in a journal file by one worker, or in a database by several, which say by heartbeats that they are
alive. A trial whose worker died is begun anew under another number, and finished folds are read back.
"""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from microfacial.errors import ConfigError, PipelineError
from microfacial.evaluation.significance import count_by_subject
from microfacial.locks import exclusive_lock
from microfacial.metrics import uf1
from microfacial.models.presets import resolve
from microfacial.records import FoldResult
from microfacial.tuning.objective import Candidate, InnerFolds
from microfacial.tuning.search_space import Choice, Parameter, Real, Space, StudyConfig, Value, Whole
from microfacial.tuning.trials import REFERENCE_TRIAL, Conclusion, State, Trial, is_clearly_worse, score_fold

Storage = JournalStorage | RDBStorage

_FACTS, _CONCLUSION = "microfacial", "conclusion"  # attributes of a study: what it is about, how it ended
_SETTINGS, _MODEL, _REASON, _ROLE, _ORDER = "settings", "model", "reason", "role", "order"
_TAKEN = "taken"  # the trial's own number, once a worker has all that it needs for it; one begun anew has an old one
_REFERENCE_ROLE, _START_ROLE = "trial 0", "params.yaml"
_MISSED_BEATS = 6
_MOST_RETRIES = 3
_WAIT_SECONDS = 1.0
_FEWEST_TO_EXPLAIN = 4
_DATABASE_PATIENCE_SECONDS = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)  # what a trial came to is said by the command


# --- where studies are kept -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StudyStorage:
    """Where studies are kept: one journal file or one database for all of a project.

    Args:
        root: of the project.
    """

    root: Path
    config: StudyConfig

    @property
    def shared(self) -> bool:
        """Whether several workers may take trials of one study."""
        return self.config.storage != "journal"

    @property
    def url(self) -> str:
        """What `optuna-dashboard` is to open."""
        folder = self.root.resolve() / "mlruns"
        if self.config.storage == "sqlite":
            return f"sqlite:///{folder / 'studies.db'}"
        return self.config.storage if self.shared else str(folder / "studies.journal")

    def lock(self, name: str) -> Path:
        """What workers of this machine hold while they take a trial of a study."""
        return self.root / "mlruns" / "locks" / name

    def open(self) -> Storage:
        """The storage, made on first use.

        Raises:
            PipelineError: the database cannot be opened.
        """
        (self.root / "mlruns").mkdir(exist_ok=True)
        if not self.shared:
            try:
                return JournalStorage(JournalFileBackend(self.url))
            except (ValueError, KeyError, TypeError) as error:  # what Optuna makes of a line that is none of its own
                raise PipelineError(
                    f"{self.url} is damaged ({error}). Move it away, or bring an older one back"
                ) from None
        local = self.url.startswith("sqlite")
        with warnings.catch_warnings(), exclusive_lock(self.lock("studies"), "another worker that opens the studies"):
            warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats
            try:
                return RDBStorage(
                    self.url,
                    engine_kwargs={"connect_args": {"timeout": _DATABASE_PATIENCE_SECONDS}} if local else None,
                    heartbeat_interval=self.config.heartbeat_seconds,
                    grace_period=_MISSED_BEATS * self.config.heartbeat_seconds,
                    heartbeat_stale_trial_callback=_retry(),
                )
            except (ImportError, SQLAlchemyError, StorageInternalError) as error:
                raise PipelineError(f"study.storage {self.url} cannot be opened ({error}). Correct it") from None


def _retry() -> RetryHeartbeatStaleTrialCallback:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RetryHeartbeatStaleTrialCallback(max_retry=_MOST_RETRIES)


@dataclass(frozen=True)
class StoredStudy:
    """A study that is kept: its name, what it is about, its trials, and how it ended; None while it has not."""

    name: str
    facts: Mapping[str, Any]
    trials: tuple[Trial, ...]
    conclusion: Conclusion | None


def find_studies(shelf: StudyStorage, dataset: str, model: str | None = None) -> list[StoredStudy]:
    """Studies of a data set that are kept, the latest last; of one model, or of all."""
    storage = shelf.open()
    found = [one.study_name for one in optuna.get_all_study_summaries(storage) if _FACTS in one.user_attrs]
    kept = [read_study(storage, name) for name in found]
    own = [one for one in kept if one.facts["dataset"] == dataset and model in (None, one.facts["model"])]
    return sorted(own, key=lambda one: one.facts["began"])


def read_study(storage: Storage, name: str) -> StoredStudy:
    """A study by its name, as it is now."""
    study = optuna.load_study(study_name=name, storage=storage)
    attributes = study.user_attrs
    facts = attributes[_FACTS]
    conclusion = attributes.get(_CONCLUSION)
    return StoredStudy(
        name=name,
        facts=facts,
        trials=tuple(_as_trial(one, facts["group"]) for one in study.get_trials(deepcopy=False)),
        conclusion=None if conclusion is None else TypeAdapter(Conclusion).validate_python(conclusion),
    )


def keep_conclusion(shelf: StudyStorage, name: str, conclusion: Conclusion) -> None:
    """Write down how a study ended, beside its trials."""
    optuna.load_study(study_name=name, storage=shelf.open()).set_user_attr(_CONCLUSION, asdict(conclusion))


# --- trials -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StudySpec:
    """What a study asks: which values of a space serve a model best, the other settings being as they are.

    Args:
        name: of the study; another question has another name.
        base: keys of `models.<model>` in params.yaml.
        reference: what trial 0 has.
        facts: what else the study is about, to be kept with it; its data set at least.
        group: which tuning part it is, where there are several.
    """

    name: str
    model: str
    base: Mapping[str, Any]
    space: Space
    reference: Candidate
    facts: Mapping[str, Any]
    group: str = ""

    def settle(self, params: Mapping[str, Value]) -> Candidate:
        """The model with values of the space."""
        tidy = {name: self.space[name].tidy(value) for name, value in params.items()}
        return Candidate(self.model, resolve(self.model, {**self.base, **tidy}, f"models.{self.model}"))

    def locate(self, candidate: Candidate) -> dict[str, Value]:
        """Values of the space that give a candidate; none if no values do."""
        if candidate.model != self.model:
            return {}
        settings = candidate.settings.model_dump()
        values = {name: settings[name] for name in self.space}
        if not all(self.space[name].holds(value) for name, value in values.items()):
            return {}
        return values if self.settle(values) == candidate else {}


class PairedPruner(BasePruner):
    """Stops a trial whose folds are clearly worse than the same folds of trial 0."""

    def __init__(self, folds: int, p: float) -> None:
        self._folds = folds
        self._p = p

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop; trial 0 may still be running: the folds that it has are compared."""
        if trial.user_attrs.get(_ROLE) == _REFERENCE_ROLE:
            return False
        found = [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get(_ROLE) == _REFERENCE_ROLE]
        reference = max(found, key=lambda one: len(one.intermediate_values))
        return is_clearly_worse(trial.intermediate_values, reference.intermediate_values, self._folds, self._p)


class _UntrainableError(Exception):
    """Settings of a trial cannot be trained on this data, for a reason that is kept with the trial."""


@dataclass
class TrialRunner:
    """Takes trials of a study until all are done.

    Args:
        deadline: no trial begins after this `time.monotonic()`.
    """

    question: StudySpec
    bench: InnerFolds
    shelf: StudyStorage
    deadline: float = float("inf")
    _taking: ExitStack = field(default_factory=ExitStack)
    _number: int = REFERENCE_TRIAL

    def run(self) -> Iterator[Trial]:
        """Yield each trial that this worker finishes; at the end all are finished, or the time is over.

        Raises:
            ConfigError: the settings of trial 0 cannot be trained.
        """
        lock = self.shelf.lock(self.question.name)
        with ExitStack() as whole:
            if not self.shelf.shared:
                whole.enter_context(exclusive_lock(lock.with_suffix(".run"), "another worker of this study"))
            with exclusive_lock(lock, None):
                study = self._open()
            while time.monotonic() < self.deadline:
                with self._taking:
                    self._taking.enter_context(exclusive_lock(lock, None))
                    self._revive(study)
                    trials = study.get_trials(deepcopy=False)
                    taken = _waits(trials) or _count(trials) < self.bench.config.trials
                    if taken:
                        study.sampler = self._make_sampler(len(trials))
                        study.optimize(self._objective, n_trials=1, catch=(_UntrainableError,))
                if taken:
                    yield self._finished(study)
                elif any(one.state is TrialState.RUNNING for one in trials):
                    time.sleep(_WAIT_SECONDS)  # another worker may die over its trial
                else:
                    break

    def read(self) -> StoredStudy:
        """The study as all workers have brought it so far."""
        return read_study(self.shelf.open(), self.question.name)

    def _open(self) -> optuna.Study:
        """The study, with trial 0 and the settings of params.yaml queued if they are not there."""
        config = self.bench.config
        study = optuna.create_study(
            study_name=self.question.name,
            storage=self.shelf.open(),
            pruner=PairedPruner(self.bench.folds, config.prune_p) if config.prune else NopPruner(),
            direction="maximize",
            load_if_exists=True,
        )
        if _FACTS not in study.user_attrs:
            own = {"model": self.question.model, "group": self.question.group, "began": time.time()}
            study.set_user_attr(_FACTS, {**self.question.facts, **own})
        self._revive(study)
        # What was interrupted too often to be begun anew is queued again by the next command.
        alive = [
            one.user_attrs
            for one in study.get_trials(deepcopy=False)
            if one.state is not TrialState.FAIL or _REASON in one.user_attrs
        ]
        queued = {attributes.get(_ROLE) for attributes in alive}
        for role, candidate in self._first().items():
            if role not in queued:
                study.enqueue_trial(self.question.locate(candidate), user_attrs={_ROLE: role})
        return study

    def _first(self) -> dict[str, Candidate]:
        """What is tried before anything is drawn; trial 0 alone if it is what params.yaml has."""
        reference, start = self.question.reference, self.question.settle({})
        return {_REFERENCE_ROLE: reference} | ({} if start == reference else {_START_ROLE: start})

    def _revive(self, study: optuna.Study) -> None:
        """Queue what dead workers, and interrupted ones, have left undone."""
        retry = _retry()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if self.shelf.shared:
                optuna.storages.fail_stale_trials(study)
                self._fail_stillborn(study)
        trials = study.get_trials(deepcopy=False)
        if not self.shelf.shared:  # whoever ran them held the lock that is ours now
            for one in trials:
                if one.state is TrialState.RUNNING:
                    study.tell(one.number, state=TrialState.FAIL)
            trials = study.get_trials(deepcopy=False)
        retried = {number for one in trials for number in one.system_attrs.get("retry_history", [])}
        for one in trials:
            if one.state is TrialState.FAIL and _REASON not in one.user_attrs and one.number not in retried:
                retry(study, one)

    def _fail_stillborn(self, study: optuna.Study) -> None:
        """End trials whose worker died while it took them: Optuna never misses a heartbeat that was never there."""
        patience = timedelta(seconds=_MISSED_BEATS * self.bench.config.heartbeat_seconds)
        for one in study.get_trials(deepcopy=False):
            taken = one.state is not TrialState.RUNNING or one.user_attrs.get(_TAKEN) == one.number
            if not taken and one.datetime_start is not None and datetime.now() - one.datetime_start > patience:
                study.tell(one.number, state=TrialState.FAIL)

    def _make_sampler(self, number: int) -> BaseSampler:
        """What draws the trial of a number: a resumed study draws what an undisturbed one would."""
        config = self.bench.config
        seed = int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])
        if config.sampler == "random":
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            # Without `group`, a trial 0 that lies outside of the space would leave nothing to be drawn together.
            return TPESampler(seed=seed, n_startup_trials=config.startup_trials, multivariate=True, group=True)

    def _objective(self, trial: optuna.Trial) -> float:
        self._number = trial.number
        trial.set_user_attr(_MODEL, self.question.model)
        try:
            candidate = self._suggest(trial)  # values of the space may not go with what is kept
            trial.set_user_attr(_MODEL, candidate.model)
            trial.set_user_attr(_SETTINGS, candidate.settings.model_dump(mode="json"))
            trial.set_user_attr(_ORDER, trial.user_attrs.get(_ORDER, trial.number))  # one begun anew keeps its order
            trial.set_user_attr(_TAKEN, trial.number)
            self._taking.close()  # the next may be taken
            return self._train(trial, candidate)
        except ConfigError as error:
            trial.set_user_attr(_REASON, str(error))
            raise _UntrainableError from error

    def _suggest(self, trial: optuna.Trial) -> Candidate:
        first = self._first().get(trial.user_attrs.get(_ROLE, ""))
        names = self.question.space if first is None else self.question.locate(first)
        params = {name: _suggest(trial, name, self.question.space[name]) for name in names}
        return first or self.question.settle(params)

    def _train(self, trial: optuna.Trial, candidate: Candidate) -> float:
        """UF1, pooled over all inner folds and averaged over repetitions.

        Raises:
            TrialPruned: the folds so far are clearly worse than those of trial 0.
        """
        steps = {plan.key: step for step, plan in enumerate(self.bench.plans)}
        folds: list[FoldResult] = []
        for chunk in self.bench.try_settings(candidate, trial.user_attrs[_ORDER]):
            for fold in chunk:
                trial.report(score_fold(fold, self.bench.class_shares), steps[fold.plan.key])
            folds += chunk
            if len(folds) < len(steps) and trial.should_prune():
                raise optuna.TrialPruned
        counts = count_by_subject(self.bench.gather_inner(str(trial.number), folds))
        return float(uf1(counts.sum(axis=1)).mean())

    def _finished(self, study: optuna.Study) -> Trial:
        """The trial that this worker has just finished."""
        trial = _as_trial(study.get_trials(deepcopy=False)[self._number], self.question.group)
        if trial.reference and trial.state == "failed":
            raise ConfigError(f"trial 0 cannot be trained, so there is nothing to compare with: {trial.reason}")
        return trial


def _waits(trials: Sequence[FrozenTrial]) -> bool:
    return any(one.state is TrialState.WAITING for one in trials)


def _count(trials: Sequence[FrozenTrial]) -> int:
    """Trials that count: all but those that died and were begun anew."""
    begun = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return sum(one.state in begun or _REASON in one.user_attrs for one in trials)


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter) -> Value:
    match parameter:
        case Choice(values):
            chosen = trial.suggest_categorical(name, values)
            assert chosen is not None  # for Optuna, None is a value too
            return chosen
        case Real(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Whole(low, high):
            return trial.suggest_int(name, low, high)


_STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "died",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def _as_trial(one: FrozenTrial, group: str = "") -> Trial:
    return Trial(
        number=one.number,
        state="failed" if _REASON in one.user_attrs else _STATES[one.state],
        model=one.user_attrs.get(_MODEL, ""),
        settings=one.user_attrs.get(_SETTINGS, {}),
        params=one.params,
        scores=one.intermediate_values,
        value=one.value if one.state is TrialState.COMPLETE else None,
        seconds=one.duration.total_seconds() if one.duration else 0.0,
        reference=one.user_attrs.get(_ROLE) == _REFERENCE_ROLE,
        group=group,
        reason=one.user_attrs.get(_REASON, ""),
        retry_of=one.system_attrs.get("failed_trial"),
    )


def parameter_importances(shelf: StudyStorage, name: str) -> dict[str, float]:
    """How much of the variance of values each parameter explains, by fANOVA; nothing where trials are too few."""
    study = optuna.load_study(study_name=name, storage=shelf.open())
    done = [one for one in study.get_trials(deepcopy=False) if one.state is TrialState.COMPLETE and one.params]
    if len(done) < _FEWEST_TO_EXPLAIN or len({one.value for one in done}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=sorted(done[0].params))
