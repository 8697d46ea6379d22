"""A backend of joblib that runs tasks on the workers of a dask scheduler.

joblib has one too. It stores a large argument on one worker only, so the argument is lost with that worker, and it
takes the error of a lost scheduler for the result of a task. Here, a large argument is the result of a task of its own,
which the scheduler repeats if a worker dies, and a lost scheduler is an error.
"""

import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError
from distributed.protocol.pickle import dumps
from joblib.parallel import ParallelBackendBase

from microfacial.cluster.worker_check import Expected, check_worker
from microfacial.errors import PipelineError

_LARGE_BYTES = 1_000_000  # larger arguments are sent to the scheduler once, and not with every task

_Task = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]


class DaskBackend(ParallelBackendBase):  # type: ignore[misc]
    """Run tasks on the workers of a dask scheduler. Tasks of a worker that dies run again on another worker.

    Args:
        connect: function that returns the client and the number of workers that are expected. It is called once, before
            the first task.
        expected: what each worker must have in common with this process. None if the workers belong to this process.
        explain_loss: function that returns the message for a lost scheduler.
    """

    supports_retrieve_callback = True

    def __init__(
        self, connect: Callable[[], tuple[Client, int]], expected: Expected | None, explain_loss: Callable[[], str]
    ) -> None:
        super().__init__(nesting_level=0)
        self._connect, self._expected, self._explain_loss = connect, expected, explain_loss
        self._connection: tuple[Client, int] | None = None
        self._large: dict[int, tuple[Any, Future | None]] = {}
        self._running: set[Future] = set()

    @property
    def _client(self) -> Client:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection[0]

    def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002 – joblib fixes the arguments
        """Return the number of workers, at least 2. For 1, joblib would run the tasks in this process.

        Args:
            n_jobs: number of processes that the caller has in mind. The scheduler has its own workers.
        """
        workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        assert self._connection is not None
        return max(2, workers, self._connection[1])

    def start_call(self) -> None:
        """Forget the large arguments of the call before."""
        self._large = {}

    def stop_call(self) -> None:
        """Forget the large arguments of the call."""
        self._large = {}

    def submit(self, func: Any, callback: Callable[[Future], None] | None = None) -> Future:
        """Send a batch of tasks to the scheduler.

        Args:
            func: joblib's batch of tasks.
            callback: function to call with the future when the batch is done.

        Returns:
            The future of the batch.
        """
        tasks = [
            (function, [self._share(value) for value in args], {name: self._share(v) for name, v in kwargs.items()})
            for function, args, kwargs in func.items
        ]
        future = self._client.submit(_run_tasks, tasks, self._expected, pure=False)
        self._running.add(future)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future) -> Any:
        """Return the results of a batch, or raise its error.

        Args:
            out: the future of the batch.

        Raises:
            PipelineError: the scheduler is lost, the batch ended several workers, or a worker lacks a package.
        """
        self._running.discard(out)
        try:
            return out.result()
        except KilledWorker:
            raise PipelineError(
                "a task ended every worker that ran it. Give the workers more memory, and read their logs"
            ) from None
        except ModuleNotFoundError as error:
            raise PipelineError(
                f"a worker cannot import {error.name}. Install the same packages on all machines"
            ) from None
        except (CancelledError, CommClosedError):
            raise PipelineError(self._explain_loss()) from None

    def cancel_running(self) -> None:
        """Cancel all tasks. A caller that waits for a task gets the error of a lost scheduler."""
        if self._connection is not None and self._client.status == "running":
            self._client.cancel(list(self._running))
            self._running.clear()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Cancel the tasks of a call that failed or is no longer needed.

        Args:
            ensure_ready: whether later calls follow. They can in any case.
        """
        self.cancel_running()

    def _share(self, value: Any) -> Any:
        """Return a future in place of a large argument, the same one for all tasks of a call."""
        if id(value) not in self._large:
            large = _pickled_bytes(value) > _LARGE_BYTES
            future = self._client.submit(_return, value, pure=False) if large else None
            self._large[id(value)] = value, future  # the value is stored because its id must stay its own
        return self._large[id(value)][1] or value


def _pickled_bytes(value: Any) -> int:
    """Return the size of a pickled object. Its arrays are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    header = dumps(value, buffer_callback=buffers.append)
    return len(header) + sum(buffer.raw().nbytes for buffer in buffers)


def _return(value: Any) -> Any:
    return value


def _run_tasks(tasks: Sequence[_Task], expected: Expected | None) -> list[Any]:
    """Run a batch of tasks on a worker."""
    if expected is not None:
        check_worker(expected)
    return [function(*args, **kwargs) for function, args, kwargs in tasks]
