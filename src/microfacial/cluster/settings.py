"""The `run` section of params.yaml: where the tasks of a command run. It changes the time, not the results."""

import re
from typing import Literal

from pydantic import Field, field_validator

from microfacial.settings import Section

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


class SlurmConfig(Section):
    """The section `run.slurm` of params.yaml: the SLURM jobs that a command submits, and cancels when it ends."""

    jobs: int = Field(2, ge=1, le=10_000)  # jobs to submit; each process of a study submits as many
    processes: int = Field(1, ge=1, le=1024)  # worker processes in a job, one processor core each
    memory_gb: float = Field(4.0, ge=0.5, le=100_000)  # memory of a job
    max_minutes: int = Field(240, ge=1, le=525_600)  # longest time of a job; tasks of a job that ends run again
    partition: str | None = Field(None, min_length=1)  # null: the default of SLURM
    account: str | None = Field(None, min_length=1)  # null: the default of SLURM
    interface: str | None = Field(None, min_length=1)  # network interface of this machine and the nodes, such as ib0
    directives: tuple[str, ...] = Field((), strict=False)  # more lines for #SBATCH, such as --constraint=icelake
    prologue: tuple[str, ...] = Field((), strict=False)  # shell commands before a worker starts, such as module load


class RunConfig(Section):
    """The section `run` of params.yaml: where folds, clips and trials run."""

    backend: Literal["local", "dask"] = "local"  # local: processes of the command; dask: workers of dask.distributed
    scheduler: str = "local"  # dask: workers on this machine; or slurm, or an address such as tcp://host:8786
    wait_minutes: float = Field(10.0, ge=0.01, le=525_600)  # dask: longest time without any worker
    slurm: SlurmConfig = SlurmConfig()

    @field_validator("scheduler")
    @classmethod
    def _require_known_form(cls, scheduler: str) -> str:
        if scheduler not in ("local", "slurm") and not _ADDRESS.fullmatch(scheduler):
            raise ValueError("must be local, slurm, or the address of a scheduler, such as tcp://host:8786")
        return scheduler
