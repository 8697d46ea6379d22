"""Serve a registered version with MLflow. MLflow copies this file into the version, together with the package.

The input is a table with the column `clip`, a video or map as base64, or `frames`, a list of pictures as base64.
`inference.request` limits their size. The columns `onset`, `apex`, `offset` and `fps` are optional. If no moments are
given, all movements of all people are spotted.

The output has the columns

    label      class of the strongest recognised movement; None if the model abstained
    p_<class>  its probability of each class; None if the model abstained
    reason     why there is no label; None if there is one
    error      why the clip could not be answered; None if it was answered
    answer     the answer about the film, with all people and movements, as `FilmAnswer.to_dict` returns it

In a server, each clip is answered by a process of its own. Elsewhere it is answered in this process: a script that
loads a version need not be able to start processes.
"""

import asyncio
import atexit
import gc
import json
import logging
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import cpu_count
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from microfacial.errors import DatasetError, RequestError
from microfacial.inference.film_jobs import FilmJob, FilmOutcome, fail, run_job
from microfacial.inference.film_workers import FilmWorkers
from microfacial.inference.request import CLIP_NAME, read_request
from microfacial.inference.request_limits import DEFAULT_LIMITS
from microfacial.inference.served_answers import answer_in_worker, answer_served_clip, open_served_version

_LOG = logging.getLogger(__name__)
_SERVER = "mlflow.pyfunc.scoring_server.app"  # the module of MLflow's server
_WORKER_MODULES = ("microfacial.inference.film_checks", "microfacial.inference.served_answers")
_PAUSE_SECONDS = 1.0
_SHARE_OF_TIME = 0.9  # of MLflow's limit for a request, so that the answer with the reason arrives


class RefusedRequestError(MlflowException):
    """A request that is answered with one line. MLflow's server puts the table of the request before other messages."""

    @property
    def message(self) -> str:
        """The message that the error was made with."""
        return str(self.args[0])

    @message.setter
    def message(self, changed: str) -> None:
        """Ignore a changed message."""


class ServedModel(PythonModel):
    """A trained model with MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the version. In a server, also start the processes that answer clips.

        Args:
            context: MLflow's description of the version. Its artifact `bundle` is the folder of the bundle.
        """
        folder = Path(context.artifacts["bundle"]).absolute().parent.parent
        self._model = open_served_version(folder)  # a damaged version stops the start, and not the first request
        self._seconds = _SHARE_OF_TIME * MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get()  # type: ignore[no-untyped-call]
        self._workers: FilmWorkers | None = None
        self._cleaner = threading.Timer(_PAUSE_SECONDS, gc.collect)
        if _SERVER in sys.modules:
            pd.set_option("mode.string_storage", "python")  # Arrow, the default, keeps the memory of freed text
            limits = replace(DEFAULT_LIMITS, seconds=self._seconds)
            answer = partial(answer_in_worker, folder=folder)
            self._workers = FilmWorkers(answer, limits, cpu_count(), _WORKER_MODULES)
            self._workers.start()
            atexit.register(self._workers.close)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the answer to each clip.

        Args:
            context: not used.
            model_input: one row for each clip; the columns are described at the top of this module.
            params: not used.

        Returns:
            One row for each clip, with the columns that the top of this module describes. A clip that cannot be
            answered is a row with `error`, and the others are answered.

        Raises:
            RefusedRequestError: no clip could be answered, and the message is the reason of the first. A server then
                answers with status 400. For an error of the program, it answers with status 500, and its log has the
                details. It answers with status 503 if too many clips are waiting.
        """
        if model_input.columns.empty:  # MLflow leaves out columns that the signature does not have
            raise RefusedRequestError(
                "the request has neither a column clip nor a column frames", INVALID_PARAMETER_VALUE
            )
        rows = model_input.to_dict("records")
        try:
            outcomes = self._answer([{str(name): value for name, value in row.items()} for row in rows])
        except RefusedRequestError:
            raise
        except Exception:  # noqa: BLE001 - MLflow would send the stack trace to the sender of the request
            _LOG.exception("a request could not be answered")
            reason = "the server failed on this request. Its log has the reason"
            raise RefusedRequestError(reason, INTERNAL_ERROR) from None
        finally:
            if self._workers is not None:
                self._clean_later()
        contents = [json.loads(outcome.rows[0]) for outcome in outcomes]
        if outcomes and all(outcome.status != 200 for outcome in outcomes):
            code = INTERNAL_ERROR if outcomes[0].status == 500 else INVALID_PARAMETER_VALUE
            raise RefusedRequestError(contents[0]["error"], code)
        return _make_table(contents, self._model.note.classes)

    def _answer(self, rows: Sequence[Mapping[str, Any]]) -> list[FilmOutcome]:
        if self._workers is not None and len(rows) > DEFAULT_LIMITS.films:
            raise RefusedRequestError(
                f"the request has {len(rows)} clips, more than {DEFAULT_LIMITS.films}. Send fewer at once",
                INVALID_PARAMETER_VALUE,
            )
        with tempfile.TemporaryDirectory(prefix="microfacial-", ignore_cleanup_errors=True) as scratch:
            received = [_receive(row, Path(scratch) / str(number)) for number, row in enumerate(rows)]
            answers = iter(self._run([entry for entry in received if isinstance(entry, FilmJob)]))
            return [next(answers) if isinstance(entry, FilmJob) else entry for entry in received]

    def _run(self, jobs: Sequence[FilmJob]) -> list[FilmOutcome]:
        if self._workers is None:
            answer = partial(answer_served_clip, model=self._model)
            return [run_job(answer, job, DEFAULT_LIMITS) for job in jobs]
        try:
            return asyncio.run(self._workers.answer_all(jobs, self._seconds))
        except RequestError as error:
            raise RefusedRequestError(str(error), TEMPORARILY_UNAVAILABLE) from None

    def _clean_later(self) -> None:
        """Return the memory of the last request when no other has followed for a moment.

        MLflow's server leaves the tables of requests in reference cycles.
        """
        self._cleaner.cancel()
        self._cleaner = threading.Timer(_PAUSE_SECONDS, gc.collect)
        self._cleaner.daemon = True
        self._cleaner.start()


def _receive(row: Mapping[str, Any], folder: Path) -> FilmJob | FilmOutcome:
    """Write the clip of a row to a new folder. Return a failure if the row has no clip."""
    folder.mkdir()
    try:
        return read_request(row, folder)
    except DatasetError as error:
        return fail(CLIP_NAME, 422, str(error))


def _make_table(contents: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> pd.DataFrame:
    """Return answers as a table. A missing value is None, because MLflow would write NaN, which is not JSON."""
    rows = [
        {
            **{name: content.get(name) for name in ("label", "reason", "error", "answer")},
            **{f"p_{name}": content.get("probabilities", {}).get(name) for name in classes},
        }
        for content in contents
    ]
    probabilities = [f"p_{name}" for name in classes]
    table = pd.DataFrame(rows, columns=["label", *probabilities, "reason", "error", "answer"], dtype=object)
    return table.astype({name: float for name in probabilities if table[name].notna().all()})


set_model(ServedModel())
