"""Search settings: run trials of an Optuna study on the inner folds, and compare each with trial 0.

Trial 0 has the settings of the champion, or those of params.yaml. Every other trial is compared with it fold by fold,
and is stopped when it is clearly worse. Optuna's own WilcoxonPruner compares with the best trial so far, whose value is
too high because it was selected.

If a worker dies, another worker runs its trial again under a new number. The folds that the dead worker finished are
read from the cache.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from microfacial.errors import ConfigError
from microfacial.evaluation.significance import count_by_subject
from microfacial.locks import exclusive_lock
from microfacial.metrics import uf1
from microfacial.records import FoldResult
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.objective import InnerFolds
from microfacial.tuning.optuna_setup import describe_new_study, make_sampler
from microfacial.tuning.optuna_storage import (
    FACTS_ATTRIBUTE,
    MODEL_ATTRIBUTE,
    REASON_ATTRIBUTE,
    REFERENCE_ROLE,
    ROLE_ATTRIBUTE,
    SETTINGS_ATTRIBUTE,
    StudyStorage,
    explain_lost_database,
    make_retry_callback,
    read_study,
    to_trial,
)
from microfacial.tuning.pruning_rule import is_clearly_worse, score_fold
from microfacial.tuning.search_space import Categorical, Float, Integer, Parameter, Value
from microfacial.tuning.study_spec import StudySpec
from microfacial.tuning.trials import StoredStudy, Trial

# Attributes of trials. Stored trials have these names, so they must not change.
_ORDER_ATTRIBUTE = (
    "order"  # seed of the order of inner folds; a replacement has the order of the trial that it replaces
)
_CLAIMED_ATTRIBUTE = (
    "taken"  # the trial's own number, once its worker has set everything up; replacements copy the old one
)
_START_ROLE = "params.yaml"
_WAIT_SECONDS = 1.0


class PairedPruner(BasePruner):
    """Stop a trial if its folds are worse than the same folds of trial 0, by `pruning_rule.is_clearly_worse`.

    Args:
        folds: number of inner folds in one repetition.
        p: level of the one-sided signed-rank test.
    """

    def __init__(self, folds: int, p: float) -> None:
        self._folds = folds
        self._p = p

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to stop a trial. If trial 0 is still running, its folds so far are compared.

        Args:
            study: the study with trial 0.
            trial: the running trial.

        Returns:
            True to stop the trial. Trial 0 itself is never stopped.
        """
        if _is_reference(trial):
            return False
        references = [other for other in study.get_trials(deepcopy=False) if _is_reference(other)]
        reference = max(references, key=lambda other: len(other.intermediate_values))
        return is_clearly_worse(trial.intermediate_values, reference.intermediate_values, self._folds, self._p)


class _UntrainableError(Exception):
    """The settings of a trial cannot be trained. The reason is stored with the trial."""


@dataclass
class TrialRunner:
    """One worker of a study. It runs trials until all trials of the study are finished.

    Attributes:
        spec: what the study searches.
        inner_folds: folds on which each trial is trained.
        storage: where the study is stored.
        deadline: value of `time.monotonic()` after which no trial is started.
    """

    spec: StudySpec
    inner_folds: InnerFolds
    storage: StudyStorage
    deadline: float = float("inf")
    _claim_lock: ExitStack = field(default_factory=ExitStack)
    _number: int = 0

    def run(self) -> Iterator[Trial]:
        """Run trials until all are finished or the deadline has passed.

        With several workers, at the end wait until the trials of the other workers are finished too.

        Yields:
            Each trial that this worker finishes.

        Raises:
            ConfigError: the settings of trial 0 cannot be trained.
            PipelineError: the storage cannot be opened, or fails.
        """
        lock = self.storage.lock_path(self.spec.name)
        with explain_lost_database(self.storage), ExitStack() as whole_run:
            if not self.storage.shared:
                whole_run.enter_context(exclusive_lock(lock.with_suffix(".run"), "another worker of this study"))
            with exclusive_lock(lock, None):
                study = self._open_study()
            while time.monotonic() < self.deadline:
                with self._claim_lock:
                    self._claim_lock.enter_context(exclusive_lock(lock, None))
                    self._requeue_dead_trials(study)
                    trials = study.get_trials(deepcopy=False)
                    waiting = any(trial.state is TrialState.WAITING for trial in trials)
                    claimed = waiting or _count_started(trials) < self.inner_folds.config.trials
                    if claimed:
                        study.sampler = make_sampler(self.inner_folds.config, len(trials))
                        study.optimize(self._run_trial, n_trials=1, catch=(_UntrainableError,))
                if claimed:
                    yield self._read_finished(study)
                elif any(trial.state is TrialState.RUNNING for trial in trials):
                    time.sleep(_WAIT_SECONDS)  # if another worker dies, this one runs its trial
                else:
                    break

    def read(self) -> StoredStudy:
        """Return the study with the trials of all workers so far."""
        return read_study(self.storage.open(), self.spec.name)

    # --- which trials to run ------------------------------------------------------------------------------------------

    def _open_study(self) -> optuna.Study:
        """Create or load the study. Queue trial 0 and the settings of params.yaml if they are missing."""
        config = self.inner_folds.config
        folds = self.inner_folds.folds_per_repetition
        study = optuna.create_study(
            study_name=self.spec.name,
            storage=self.storage.open(),
            pruner=PairedPruner(folds, config.prune_p) if config.prune else NopPruner(),
            direction="maximize",
            load_if_exists=True,
        )
        if FACTS_ATTRIBUTE not in study.user_attrs:
            describe_new_study(study, self.spec, config)
            more = {"model": self.spec.model, "group": self.spec.group, "began": time.time()}
            study.set_user_attr(FACTS_ATTRIBUTE, {**self.spec.facts, **more})
        self._requeue_dead_trials(study)
        # A trial that was retried too often is not queued automatically. Starting the command again queues it here.
        roles = {
            trial.user_attrs.get(ROLE_ATTRIBUTE)
            for trial in study.get_trials(deepcopy=False)
            if trial.state is not TrialState.FAIL or REASON_ATTRIBUTE in trial.user_attrs
        }
        for role, candidate in self._first_candidates().items():
            if role not in roles:
                study.enqueue_trial(self.spec.find_params(candidate), user_attrs={ROLE_ATTRIBUTE: role})
        return study

    def _first_candidates(self) -> dict[str, Candidate]:
        """Return trial 0 and the settings of params.yaml by role, or only trial 0 if the two are equal."""
        reference, start = self.spec.reference, self.spec.make_candidate({})
        return {REFERENCE_ROLE: reference} | ({} if start == reference else {_START_ROLE: start})

    def _requeue_dead_trials(self, study: optuna.Study) -> None:
        """Queue again the trials of dead workers and interrupted trials."""
        retry = make_retry_callback()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if self.storage.shared:
                optuna.storages.fail_stale_trials(study)
                self._fail_trials_without_heartbeat(study)
        trials = study.get_trials(deepcopy=False)
        if not self.storage.shared:  # this worker holds the lock of the study, so no other worker is running a trial
            for trial in trials:
                if trial.state is TrialState.RUNNING:
                    study.tell(trial.number, state=TrialState.FAIL)
            trials = study.get_trials(deepcopy=False)
        retried = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
        for trial in trials:
            dead = trial.state is TrialState.FAIL and REASON_ATTRIBUTE not in trial.user_attrs
            if dead and trial.number not in retried:
                retry(study, trial)

    def _fail_trials_without_heartbeat(self, study: optuna.Study) -> None:
        """End trials whose worker died before its first heartbeat, because Optuna does not notice those."""
        grace = timedelta(seconds=self.storage.grace_seconds)
        for trial in study.get_trials(deepcopy=False):
            if trial.state is not TrialState.RUNNING or trial.user_attrs.get(_CLAIMED_ATTRIBUTE) == trial.number:
                continue
            if trial.datetime_start is not None and datetime.now() - trial.datetime_start > grace:
                study.tell(trial.number, state=TrialState.FAIL)

    # --- one trial ----------------------------------------------------------------------------------------------------

    def _run_trial(self, trial: optuna.Trial) -> float:
        self._number = trial.number
        trial.set_user_attr(MODEL_ATTRIBUTE, self.spec.model)
        try:
            candidate = self._suggest_candidate(trial)  # raises if the values do not fit the fixed settings
            trial.set_user_attr(MODEL_ATTRIBUTE, candidate.model)
            trial.set_user_attr(SETTINGS_ATTRIBUTE, candidate.settings.model_dump(mode="json"))
            trial.set_user_attr(_ORDER_ATTRIBUTE, trial.user_attrs.get(_ORDER_ATTRIBUTE, trial.number))
            trial.set_user_attr(_CLAIMED_ATTRIBUTE, trial.number)
            self._claim_lock.close()  # another worker may claim the next trial
            return self._train(trial, candidate)
        except ConfigError as error:
            trial.set_user_attr(REASON_ATTRIBUTE, str(error))
            raise _UntrainableError from error

    def _suggest_candidate(self, trial: optuna.Trial) -> Candidate:
        first = self._first_candidates().get(trial.user_attrs.get(ROLE_ATTRIBUTE, ""))
        names = self.spec.space if first is None else self.spec.find_params(first)
        params = {name: _suggest(trial, name, self.spec.space[name]) for name in names}
        return first or self.spec.make_candidate(params)

    def _train(self, trial: optuna.Trial, candidate: Candidate) -> float:
        """Train the inner folds. Return UF1, pooled over all folds and averaged over repetitions.

        Raises:
            TrialPruned: the folds so far are worse than those of trial 0, by `pruning_rule.is_clearly_worse`.
        """
        steps = {plan.key: step for step, plan in enumerate(self.inner_folds.plans)}
        folds: list[FoldResult] = []
        for chunk in self.inner_folds.train(candidate, trial.user_attrs[_ORDER_ATTRIBUTE]):
            for fold in chunk:
                trial.report(score_fold(fold, self.inner_folds.class_shares), steps[fold.plan.key])
            folds += chunk
            if len(folds) < len(steps) and trial.should_prune():
                raise optuna.TrialPruned
        counts = count_by_subject(self.inner_folds.gather(str(trial.number), folds))
        return float(uf1(counts.sum(axis=1)).mean())

    def _read_finished(self, study: optuna.Study) -> Trial:
        """Return the trial that this worker has just finished."""
        trial = to_trial(study.get_trials(deepcopy=False)[self._number], self.spec.group)
        if trial.reference and trial.state == "failed":
            raise ConfigError(
                f"study {self.spec.name}: trial 0 cannot be trained, so nothing can be compared with it: {trial.reason}"
            )
        return trial


def _is_reference(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(ROLE_ATTRIBUTE) == REFERENCE_ROLE


def _count_started(trials: Sequence[FrozenTrial]) -> int:
    """Count all trials except those that died and were replaced."""
    started = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return sum(trial.state in started or REASON_ATTRIBUTE in trial.user_attrs for trial in trials)


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter) -> Value:
    match parameter:
        case Categorical(values):
            value = trial.suggest_categorical(name, values)
            assert value is not None  # Optuna's type allows None
            return value
        case Float(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Integer(low, high):
            return trial.suggest_int(name, low, high)
