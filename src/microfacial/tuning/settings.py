"""The `study` section of params.yaml."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from microfacial.errors import ConfigError
from microfacial.settings import MAX_SEED, Section

DATABASE_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Package to install for each driver of a database, by the name of the driver's module."""


class StudyConfig(Section):
    """The `study` section of params.yaml: how settings are searched, on which subjects, and for how long."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"keep": "fixed_parameters", "minutes": "max_minutes", "subjects": "tuning_subjects"}
    )

    mode: Literal["split", "nested"] = "split"
    tuning_subjects: tuple[str, ...] = Field((), strict=False)  # split; empty: every second subject of each corpus
    outer_groups: int = Field(
        4, ge=2, le=1000
    )  # nested: groups of subjects, predicted with settings tuned without them
    inner_folds: int = Field(10, ge=2, le=1000)  # groups of tuning subjects, tested in turn; at most one per subject
    repeats: int = Field(1, ge=1, le=1000)  # repetitions of the inner folds, each with its own seeds
    seed: int = Field(0, ge=0, le=MAX_SEED)  # seed of the search and of the inner folds
    trials: int = Field(40, ge=2, le=100_000)  # number of trials, including trial 0
    max_minutes: float | None = Field(None, gt=0, le=525_600)  # start no trial after this time; null: no limit
    sampler: Literal["tpe", "gp", "random"] = "tpe"  # tree-structured Parzen, Gaussian process
    startup_trials: int = Field(10, ge=1, le=100_000)  # random trials before the sampler uses earlier ones
    prune: bool = True  # stop trials that are clearly worse than trial 0
    prune_p: float = Field(0.1, gt=0, lt=0.5)  # level of the one-sided Wilcoxon signed-rank test over folds
    fixed_parameters: tuple[str, ...] = Field((), strict=False)  # parameters that are not searched
    storage: str = Field("journal", min_length=1)  # journal: one worker; sqlite or an SQLAlchemy URL: several workers
    workers: int = Field(1, ge=1, le=1024)  # processes that share the trials
    heartbeat_seconds: int = Field(10, ge=1, le=3600)  # of heartbeats; a worker that misses six of them counts as dead

    def require_storage_for(self, workers: int) -> None:
        """Check that the storage can be shared by a number of workers.

        Args:
            workers: number of processes that take trials.

        Raises:
            ConfigError: there are several workers, and the storage is a journal.
        """
        if workers > 1 and self.storage == "journal":
            raise ConfigError(
                f"params.yaml: study.storage: a journal has no heartbeats, so a dead worker would not be noticed. "
                f"For {workers} workers set sqlite, or the URL of a database"
            )
