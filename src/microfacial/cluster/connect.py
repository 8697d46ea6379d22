"""Start or find the workers that `run` in params.yaml names, and send them the tasks of a command.

Connections are encrypted, except to a scheduler whose address starts with tcp://. A worker runs any code that is sent
to it, so anyone who reaches an unencrypted scheduler can run code as its user.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Security
from joblib import parallel_config

from microfacial.cluster.dask_backend import DaskBackend
from microfacial.cluster.settings import RunConfig, SlurmConfig
from microfacial.cluster.worker_check import describe_here
from microfacial.errors import PipelineError

_LOG = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_CLOSE = 15.0
_SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1 TB",  # samples are large, and are sent once
    "distributed.comm.timeouts.connect": "2 minutes",  # a busy machine answers late
    "distributed.scheduler.worker-ttl": "1 hour",  # a fold can hold the interpreter for some time
}


@contextmanager
def run_on_cluster(config: RunConfig, processes: int, state: Path, packages: Mapping[str, str]) -> Iterator[None]:
    """Send the tasks of joblib to the workers of a dask scheduler. They start with the first task.

    Args:
        config: the `run` section of params.yaml. Its backend is `dask`.
        processes: number of workers to start on this machine, if the section names no other place.
        state: folder for the logs of SLURM jobs, on a disk that all machines share.
        packages: packages that results depend on, as keys. Workers on other machines must have the same versions.

    Raises:
        PipelineError: no worker can be reached, the scheduler is lost, or a worker has other code or versions.
    """
    for name in (
        "distributed",
        "distributed.client",
        "dask_jobqueue",
        "tornado",
    ):  # an error is one line, of this package
        logging.getLogger(name).setLevel(logging.CRITICAL)
    local = config.scheduler == "local"
    with ExitStack() as stack, dask.config.set(_SETTINGS):
        place = {"local": "the workers on this machine", "slurm": "the workers in SLURM"}.get(
            config.scheduler, f"the scheduler {config.scheduler}"
        )

        def connect() -> tuple[Client, int]:
            client, workers = stack.enter_context(_open_client(config, processes, state))
            _wait_for_workers(client, config, place)
            stack.enter_context(_watch_workers(client, config.wait_minutes * 60, backend.cancel_running))
            return client, workers

        def explain_loss() -> str:
            return (
                f"{place} did not finish a task: the connection is lost, or there was no worker for "
                f"{config.wait_minutes:g} minutes. Repair this, and run the same command to continue"
            )

        backend = DaskBackend(connect, None if local else describe_here(packages), explain_loss)
        with parallel_config(backend=backend):
            yield


@contextmanager
def _open_client(config: RunConfig, processes: int, state: Path) -> Iterator[tuple[Client, int]]:
    """Open a client, and a cluster if there is no scheduler. Both close at the end."""
    with ExitStack() as stack:
        if config.scheduler == "local":
            cluster: Any = LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                memory_limit=None,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                security=Security.temporary(),
                silence_logs=logging.CRITICAL,
            )
            workers, target, security = processes, cluster, cluster.security
        elif config.scheduler == "slurm":
            cluster = _start_slurm_jobs(config.slurm, state)
            workers, target, security = config.slurm.jobs * config.slurm.processes, cluster, cluster.security
        else:
            cluster, workers, target, security = None, 1, config.scheduler, Security()
            if config.scheduler.startswith("tls:") and not security.get_connection_args("client").get("ssl_context"):
                raise PipelineError(
                    f"params.yaml: run.scheduler: {config.scheduler} needs certificates. "
                    "Name them in dask's configuration: distributed.comm.tls.ca-file, and client.cert and client.key"
                )
        if cluster is not None:
            stack.callback(_close, cluster)
        try:
            client = Client(target, security=security, set_as_default=False, timeout=config.wait_minutes * 60)
        except OSError as error:
            raise PipelineError(
                f"params.yaml: run.scheduler: {config.scheduler} does not answer ({error}). "
                "Start it with `dask scheduler`, correct the address, or set run.backend: local"
            ) from None
        stack.callback(_close, client)
        yield client, workers


def _start_slurm_jobs(config: SlurmConfig, state: Path) -> Any:
    """Submit SLURM jobs, each with its workers. The scheduler runs in this process."""
    from dask_jobqueue import SLURMCluster  # its import reads configuration files

    if shutil.which("sbatch") is None:
        raise PipelineError(
            "params.yaml: run.scheduler: slurm needs the command sbatch, which is not on this machine. "
            "Run the command on a login node of the cluster, or set run.backend: local"
        )
    folder = (state / "slurm").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    cluster = SLURMCluster(
        queue=config.partition,
        account=config.account,
        cores=config.processes,
        processes=config.processes,
        memory=f"{config.memory_gb}GB",
        walltime=f"{config.max_minutes // 60:02}:{config.max_minutes % 60:02}:00",
        interface=config.interface,
        job_extra_directives=list(config.directives),
        job_script_prologue=list(config.prologue),
        worker_extra_args=["--memory-limit", "0"],  # SLURM limits the memory of a job; dask would pause workers
        log_directory=str(folder),
        shared_temp_directory=str(folder),  # certificates of this run, readable by this user only
        security=Security.temporary(),
        scheduler_options={"dashboard": False, "dashboard_address": None},
    )
    cluster.scale(jobs=config.jobs)
    return cluster


def _wait_for_workers(client: Client, config: RunConfig, place: str) -> None:
    _LOG.info("waiting for %s", place)
    try:
        client.wait_for_workers(1, timeout=config.wait_minutes * 60)
    except TimeoutError:
        raise PipelineError(
            f"params.yaml: run.scheduler: {config.scheduler}: there was no worker for {config.wait_minutes:g} minutes. "
            "Start workers with `dask worker ADDRESS --nthreads 1`, or increase run.wait_minutes"
        ) from None


@contextmanager
def _watch_workers(client: Client, seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Give up when there has been no worker for some time. A scheduler would wait for ever."""
    done = threading.Event()

    def watch() -> None:
        last = time.monotonic()
        while not done.wait(_SECONDS_BETWEEN_LOOKS) and client.status == "running":
            try:
                working = bool(client.scheduler_info(n_workers=-1)["workers"])
            except OSError:  # a lost scheduler ends all tasks by itself
                return
            if working:
                last = time.monotonic()
            elif time.monotonic() - last > seconds:
                give_up()

    thread = threading.Thread(target=watch, daemon=True, name="worker-watch")
    thread.start()
    try:
        yield
    finally:
        done.set()


def _close(part: Any) -> None:
    """Close a client or a cluster. A lost connection is not an error here, because nothing is left to do."""
    try:
        part.close(timeout=_SECONDS_TO_CLOSE)
    except OSError as error:
        _LOG.debug("closing %s: %s", type(part).__name__, error)
