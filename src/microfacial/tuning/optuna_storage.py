"""Store studies with Optuna: in a journal file for one worker, or in a database for several workers."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from microfacial.disk import is_writable
from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.tuning.journal import check_journal, repair_journal
from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.storage_faults import describe_fault, describe_unopened
from microfacial.tuning.trials import Conclusion, State, StoredStudy, Trial

_LOG = logging.getLogger(__name__)

OptunaStorage = JournalStorage | RDBStorage | InMemoryStorage

# Names of attributes of studies and trials in the storage. Stored studies have them, so they must not change.
FACTS_ATTRIBUTE, _CONCLUSION_ATTRIBUTE = "microfacial", "conclusion"
MODEL_ATTRIBUTE, SETTINGS_ATTRIBUTE = "model", "settings"
REASON_ATTRIBUTE = "reason"  # why the settings of a trial cannot be trained
ROLE_ATTRIBUTE, REFERENCE_ROLE = "role", "trial 0"
_MISSED_HEARTBEATS = 6
_MAX_RETRIES = 3
_MIN_TRIALS_FOR_IMPORTANCES = 4
_DATABASE_TIMEOUT_SECONDS = 60
_DATABASE_ERRORS = (SQLAlchemyError, StorageInternalError)

optuna.logging.set_verbosity(optuna.logging.WARNING)  # the command prints a line for each trial


@dataclass(frozen=True)
class StudyStorage:
    """The storage of all studies of a project: one journal file or one database.

    Attributes:
        root: folder of the project.
        config: the `study` section of params.yaml.
    """

    root: Path
    config: StudyConfig

    @property
    def shared(self) -> bool:
        """Whether several workers may take trials of one study."""
        return self.config.storage != "journal"

    @property
    def url(self) -> str:
        """Path of the journal file, or URL of the database. `optuna-dashboard` opens it."""
        if self._path is None:
            return self.config.storage
        return f"sqlite:///{self._path}" if self.shared else str(self._path)

    @property
    def _path(self) -> Path | None:
        """File of the storage in the project. None for a database elsewhere."""
        names = {"journal": "studies.journal", "sqlite": "studies.db"}
        name = names.get(self.config.storage)
        return self.root.resolve() / "mlruns" / name if name else None

    @property
    def grace_seconds(self) -> int:
        """Time without a heartbeat after which a worker counts as dead."""
        return _MISSED_HEARTBEATS * self.config.heartbeat_seconds

    def lock_path(self, name: str) -> Path:
        """Return the path of a lock that workers on this machine share.

        Args:
            name: name of the lock, such as the name of a study.

        Returns:
            A path below `mlruns/locks/`.
        """
        return self.root / "mlruns" / "locks" / name

    def open(self, *, reading: bool = False) -> OptunaStorage:
        """Open the storage. Create it if it does not exist.

        Args:
            reading: whether the command changes nothing. A user who may only read the project can then open the
                storage. It is empty if it does not exist.

        Returns:
            Optuna's storage.

        Raises:
            PipelineError: the journal is damaged, or the database cannot be opened.
        """
        _LOG.debug("opening the studies in %s", "a database" if "://" in self.config.storage else self.url)
        path, folder = self._path, self.root / "mlruns"
        read_only = reading and not all(map(is_writable, (folder, *([path] if path else []))))
        if read_only and path is not None and not path.exists():
            return InMemoryStorage()
        if not read_only:
            folder.mkdir(exist_ok=True)
        if not self.shared:
            if read_only:
                check_journal(Path(self.url))
            else:
                repair_journal(Path(self.url))
            try:
                return JournalStorage(JournalFileBackend(self.url))
            except (ValueError, KeyError, TypeError) as error:  # Optuna raises these for a line that it cannot read
                raise PipelineError(
                    f"{self.url} is damaged ({error}). Move it to another folder, or restore a backup"
                ) from None
        local = self.url.startswith("sqlite")
        with (
            warnings.catch_warnings(),
            nullcontext()
            if read_only
            else exclusive_lock(self.lock_path("studies"), "another worker that opens the studies"),
        ):
            warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats
            try:
                return RDBStorage(
                    self.url,
                    engine_kwargs={"connect_args": {"timeout": _DATABASE_TIMEOUT_SECONDS}} if local else None,
                    heartbeat_interval=self.config.heartbeat_seconds,
                    grace_period=self.grace_seconds,
                    heartbeat_stale_trial_callback=make_retry_callback(),
                )
            except (ImportError, *_DATABASE_ERRORS) as error:
                raise PipelineError(describe_unopened(self.url, self._path, error)) from None


@contextmanager
def explain_lost_database(storage: StudyStorage) -> Iterator[None]:
    """Translate errors of the database of studies in the context into an error with one line.

    Args:
        storage: where the study is stored.

    Raises:
        PipelineError: the database failed. The message has its address without a password.
    """
    try:
        yield
    except _DATABASE_ERRORS as error:
        raise PipelineError(
            f"{describe_fault(storage.url, error, 'failed')}. Start the database, and run the command again"
        ) from None


def make_retry_callback() -> RetryHeartbeatStaleTrialCallback:
    """Return the function that queues a dead trial again, at most three times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RetryHeartbeatStaleTrialCallback(max_retry=_MAX_RETRIES)


def find_studies(
    storage: StudyStorage, dataset: str, model: str | None = None, *, reading: bool = False
) -> list[StoredStudy]:
    """Return the stored studies of a data set.

    Args:
        storage: where the studies are stored.
        dataset: name of the data set.
        model: return only studies of this model. None returns studies of all models.
        reading: whether the command changes nothing; see `StudyStorage.open`.

    Returns:
        Studies in the order in which they were started.

    Raises:
        PipelineError: the storage cannot be opened, or a study in it is damaged.
    """
    opened = storage.open(reading=reading)
    try:
        with explain_lost_database(storage):
            summaries = optuna.get_all_study_summaries(opened)
            names = [summary.study_name for summary in summaries if FACTS_ATTRIBUTE in summary.user_attrs]
            studies = [read_study(opened, name) for name in names]
    except ValueError as error:  # Optuna stores attributes as JSON
        raise PipelineError(
            f"{describe_fault(storage.url, error, 'is damaged')}. Move it away, or restore a backup"
        ) from None
    matching = [
        study for study in studies if study.facts["dataset"] == dataset and model in (None, study.facts["model"])
    ]
    return sorted(matching, key=lambda study: study.facts["began"])


def read_study(storage: OptunaStorage, name: str) -> StoredStudy:
    """Read a study.

    Args:
        storage: Optuna's storage.
        name: name of the study.

    Returns:
        The study with the trials of all workers so far.
    """
    study = optuna.load_study(study_name=name, storage=storage)
    facts = study.user_attrs[FACTS_ATTRIBUTE]
    conclusion = study.user_attrs.get(_CONCLUSION_ATTRIBUTE)
    return StoredStudy(
        name=name,
        facts=facts,
        trials=tuple(to_trial(trial, facts["group"]) for trial in study.get_trials(deepcopy=False)),
        conclusion=None if conclusion is None else TypeAdapter(Conclusion).validate_python(conclusion),
    )


def write_conclusion(storage: StudyStorage, name: str, conclusion: Conclusion) -> None:
    """Store the conclusion of a study with its trials. It replaces an earlier conclusion.

    Args:
        storage: where the study is stored.
        name: name of the study.
        conclusion: result of the study.
    """
    optuna.load_study(study_name=name, storage=storage.open()).set_user_attr(_CONCLUSION_ATTRIBUTE, asdict(conclusion))


_STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "died",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def to_trial(trial: FrozenTrial, group: str = "") -> Trial:
    """Convert a trial of Optuna to a record.

    Args:
        trial: the trial as Optuna stores it.
        group: name of the outer group in a nested study.

    Returns:
        The record.
    """
    attributes = trial.user_attrs
    return Trial(
        number=trial.number,
        state="failed" if REASON_ATTRIBUTE in attributes else _STATES[trial.state],
        model=attributes.get(MODEL_ATTRIBUTE, ""),
        settings=attributes.get(SETTINGS_ATTRIBUTE, {}),
        params=trial.params,
        scores=trial.intermediate_values,
        value=trial.value if trial.state is TrialState.COMPLETE else None,
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        reference=attributes.get(ROLE_ATTRIBUTE) == REFERENCE_ROLE,
        group=group,
        reason=attributes.get(REASON_ATTRIBUTE, ""),
        retry_of=trial.system_attrs.get("failed_trial"),
    )


def parameter_importances(storage: StudyStorage, name: str) -> dict[str, float]:
    """Return the share of the variance of values that each parameter explains, by fANOVA.

    Args:
        storage: where the study is stored.
        name: name of the study.

    Returns:
        Shares by the name of the parameter, with sum 1. Empty if fewer than four trials are complete or all values are
        equal.
    """
    study = optuna.load_study(study_name=name, storage=storage.open())
    complete = [
        trial for trial in study.get_trials(deepcopy=False) if trial.state is TrialState.COMPLETE and trial.params
    ]
    if len(complete) < _MIN_TRIALS_FOR_IMPORTANCES or len({trial.value for trial in complete}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=sorted(complete[0].params))
