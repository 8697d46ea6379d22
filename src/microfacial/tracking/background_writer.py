"""Writes a training into MLflow while it goes on, in a thread of its own: nothing in training waits for MLflow.

Importing MLflow takes seconds, so that is done there too. Where MLflow fails, one line says so and nothing more is
tried: the files decide, and `microfacial sync` writes from them what is missing.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from microfacial.errors import PipelineError
from microfacial.tracking.run_records import RunIdentity, RunMetadata, TrainedFold

if TYPE_CHECKING:
    from microfacial.tracking.runs import ModelRun


class BackgroundWriter:
    """One training's run in MLflow, as far as MLflow answers. Use it as a context, which waits for what is unwritten.

    Whoever opens one holds the stage lock of `root`.
    """

    def __init__(self, identity: RunIdentity, known: RunMetadata, root: Path) -> None:
        self._identity, self._known, self._root = identity, known, root
        self._run: ModelRun | None = None
        self._failed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self._writes: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._writes.append(self._thread.submit(self._attempt, self._open))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for MLflow; close the run as KILLED or FAILED if the training did not reach `finish`."""
        if kind is not None:
            for write in self._writes:
                write.cancel()
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            self._submit(lambda run: run.give_up(status))
        self._thread.shutdown()
        if kind is None:
            for write in self._writes:
                write.result()  # what no outage explains is raised

    def log_fold(self, fold: TrainedFold, seconds: float) -> None:
        """Have a finished fold written."""
        self._submit(lambda run: run.log_fold(fold, seconds))

    def finish(self, folder: Path, known: RunMetadata) -> None:
        """Have everything else written, from the files of the train stage."""
        self._submit(lambda run: run.finish(folder, known))

    def _open(self) -> None:
        from microfacial.tracking.runs import ModelRun
        from microfacial.tracking.store import connect

        self._run = ModelRun(connect(self._root), self._identity, self._known, self._root)

    def _submit(self, write: Callable[["ModelRun"], object]) -> None:
        def write_if_open() -> None:
            if self._run is not None:
                write(self._run)

        self._writes.append(self._thread.submit(self._attempt, write_if_open))

    def _attempt(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        from mlflow.exceptions import MlflowException

        from microfacial.tracking.store import first_line

        try:
            write()
        except (MlflowException, PipelineError, OSError) as error:  # OSError: what HTTP raises, and a full disk
            self._failed = True
            click.echo(
                f"microfacial: MLflow fails ({first_line(error)}). Training goes on without it, and results/ gets all "
                "results; run `microfacial sync` when MLflow is back",
                err=True,
            )
