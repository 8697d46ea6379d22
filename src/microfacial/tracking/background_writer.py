"""Write a training into MLflow from a thread of its own, so that the training never waits for MLflow.

The thread also imports MLflow, which takes seconds. If MLflow fails, the thread prints one line and stops writing. The
results are in files, and `microfacial sync` writes them into MLflow later.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from microfacial.tracking.fold_records import TrainedFold
from microfacial.tracking.location import store_uri
from microfacial.tracking.run_records import RunIdentity, RunMetadata
from microfacial.tracking.settings import read_tracking_config

if TYPE_CHECKING:
    from microfacial.tracking.runs import ModelRun


class BackgroundWriter:
    """The run of one training in MLflow. Use it as a context manager, which waits until everything is written.

    The caller must hold the stage lock of the project.

    Args:
        identity: name, data and settings of the run.
        metadata: commit and start of the training.
        root: root folder of the project.
    """

    def __init__(self, identity: RunIdentity, metadata: RunMetadata, root: Path) -> None:
        self._identity, self._metadata, self._root = identity, metadata, root
        self._run: ModelRun | None = None
        self._end_monitor: Callable[[], None] | None = None
        self._failed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self._writes: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._writes.append(self._thread.submit(self._attempt, self._open))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is written. Close the run as KILLED or FAILED if the training raised an error."""
        if kind is not None:
            for write in self._writes:
                write.cancel()
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            self._writes.append(self._thread.submit(self._stop_monitor))  # also after a failed write
            self._submit(lambda run: run.close_unfinished(status))
        self._thread.shutdown()
        if kind is None:
            for write in self._writes:
                write.result()  # raises errors that are no failure of MLflow

    def log_fold(self, fold: TrainedFold, seconds: float) -> None:
        """Write a finished fold, in the background.

        Args:
            fold: the fold.
            seconds: duration of its training.
        """
        self._submit(lambda run: run.log_fold(fold, seconds))

    def finish(self, folder: Path, metadata: RunMetadata) -> None:
        """Write scores, figures, tables and files, in the background, and close the run.

        Args:
            folder: results/<data set>/train/<model>.
            metadata: start, end and durations of the training.
        """
        self._writes.append(self._thread.submit(self._stop_monitor))  # also after a failed write
        self._submit(lambda run: run.finish(folder, metadata))

    def _open(self) -> None:
        from microfacial.tracking.runs import ModelRun
        from microfacial.tracking.store import connect

        self._run = ModelRun(connect(self._root), self._identity, self._metadata, self._root)
        config = read_tracking_config(self._root)
        if config.system_metrics:
            from microfacial.tracking.system_metrics import start_monitor

            self._end_monitor = start_monitor(store_uri(self._root), self._run.run_id, config.system_metrics_seconds)

    def _stop_monitor(self) -> None:
        if self._end_monitor is not None:
            self._end_monitor()

    def _submit(self, write: Callable[["ModelRun"], object]) -> None:
        def write_if_open() -> None:
            if self._run is not None:
                write(self._run)

        self._writes.append(self._thread.submit(self._attempt, write_if_open))

    def _attempt(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        from microfacial.tracking.failures import WRITE_ERRORS, describe_failure

        try:
            write()
        except WRITE_ERRORS as error:
            self._failed = True
            click.echo(
                f"microfacial: MLflow failed: {describe_failure(store_uri(self._root), error)}. The training "
                "continues and writes all results to results/. Run `microfacial sync` when MLflow works again",
                err=True,
            )
