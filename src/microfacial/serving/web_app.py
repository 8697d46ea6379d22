"""The addresses of the server: predictions, models, health, and the web page."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint

from microfacial import __version__
from microfacial.errors import RequestError, suggest
from microfacial.inference.film_answer import MISUSE
from microfacial.inference.film_jobs import AnswerFilm, FilmJob, FilmOutcome
from microfacial.inference.film_workers import FilmWorkers
from microfacial.inference.request_limits import RequestLimits
from microfacial.serving.access import HEADERS, check_sender
from microfacial.serving.offered_models import OfferedModel
from microfacial.serving.scratch_folders import make_request_folder, make_server_folder
from microfacial.serving.uploads import SentFilm, Upload, receive_upload

_LOG = logging.getLogger(__name__)
_WORKER_MODULES = ("microfacial.inference.film_checks", "microfacial.serving.film_answers")
_PAGE_TYPES = {
    "page.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "page_answer.js": "text/javascript",
}


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """Everything that a server needs.

    Attributes:
        answer: returns the answer to a film, in a worker process.
        models: models that requests can choose. The first one is the default.
        limits: limits of requests.
        host: host on which the server listens.
        processes: number of films that are answered at the same time.
        with_page: whether the server has the web page.
    """

    answer: AnswerFilm
    models: Sequence[OfferedModel]
    limits: RequestLimits
    host: str
    processes: int
    with_page: bool


def make_web_app(plan: ServerPlan) -> FastAPI:
    """Return the server's application.

    Args:
        plan: what it serves.
    """
    server = _Server(plan)
    # FastAPI's own pages of documentation load scripts from another site.
    app = FastAPI(title="microfacial", version=__version__, lifespan=server.run, docs_url=None, redoc_url=None)
    app.middleware("http")(server.guard)
    app.add_exception_handler(RequestError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_api_route("/health", server.report_health, methods=["GET"])
    app.add_api_route("/model", server.describe_models, methods=["GET"])
    app.add_api_route("/predict", server.predict, methods=["POST"])
    if plan.with_page:
        app.add_api_route("/page/answer", server.answer_page, methods=["POST"])
        app.add_api_route("/", _send_page_file, methods=["GET"], include_in_schema=False)
        app.add_api_route("/{name}", _send_page_file, methods=["GET"], include_in_schema=False)
    return app


class _Server:
    def __init__(self, plan: ServerPlan) -> None:
        self._plan = plan
        self._models = {model.name: model for model in plan.models}

    @asynccontextmanager
    async def run(self, _: FastAPI) -> AsyncIterator[None]:
        """Start the worker processes and make the temporary folder. End and delete them afterwards."""
        self._workers = FilmWorkers(self._plan.answer, self._plan.limits, self._plan.processes, _WORKER_MODULES)
        self._workers.start()
        try:
            with make_server_folder() as self._folder:
                yield
        finally:
            self._workers.close()

    async def guard(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Refuse requests of other sites, turn unforeseen errors into one line, and add headers to every answer."""
        try:
            check_sender(request.headers, self._plan.host)
            response = await call_next(request)
        except RequestError as error:
            response = await _refuse(request, error)
        except Exception:  # noqa: BLE001 - the sender must not get a traceback
            _LOG.exception("a request could not be answered")
            response = JSONResponse({"error": "the server failed on this request. Its log has the reason"}, 500)
        response.headers.update(HEADERS)
        return response

    async def report_health(self) -> dict[str, str]:
        """Return that the server runs, and its version."""
        return {"status": "ok", "version": __version__}

    async def describe_models(self) -> dict[str, Any]:
        """Return the models that requests can choose, with their cards, and the limits of requests."""
        limits = self._plan.limits
        return {
            "misuse": MISUSE,
            "default": self._plan.models[0].name,
            "models": [{"name": model.name, "title": model.title, "card": model.card} for model in self._plan.models],
            "limits": {
                "megabytes": limits.upload_bytes / 2**20,
                "megapixels": limits.pixels / 1e6,
                "frames": limits.frames,
                "film_seconds": limits.film_seconds,
                "films": limits.films,
                "seconds": limits.seconds,
            },
        }

    async def predict(self, request: Request) -> Response:
        """Answer films as the command `predict --json` does."""
        return _combine(await self._answer(request, as_page=False), "rows")

    async def answer_page(self, request: Request) -> Response:
        """Answer films with all that the web page shows."""
        return _combine(await self._answer(request, as_page=True), "films")

    async def _answer(self, request: Request, *, as_page: bool) -> list[FilmOutcome]:
        """Receive films and answer them. If the sender leaves, the work ends."""
        async with make_request_folder(self._folder) as folder:
            upload = await receive_upload(request, self._plan.limits, folder)
            jobs = self._make_jobs(upload, as_page)
            answers = asyncio.ensure_future(self._workers.answer_all(jobs))
            sender = asyncio.ensure_future(_wait_for_disconnect(request))
            try:
                await asyncio.wait([answers, sender], return_when=asyncio.FIRST_COMPLETED)
                if not answers.done():
                    raise HTTPException(400)  # nobody receives it
                return answers.result()
            finally:
                for task in (answers, sender):
                    task.cancel()
                await asyncio.gather(answers, sender, return_exceptions=True)

    def _make_jobs(self, upload: Upload, as_page: bool) -> list[FilmJob]:
        name = upload.options.get("model", self._plan.models[0].name)
        if name not in self._models:
            known = ", ".join(self._models)
            raise RequestError(
                f"there is no model {name[:80]!r}. Choose from {known}{suggest(name, self._models)}. Paths and "
                "addresses of models are refused",
                400,
            )
        fps = _parse_fps(upload.options.get("fps"))

        def make(film: SentFilm) -> FilmJob:
            return FilmJob(name=film.name, path=film.path, fps=fps, model=name, as_page=as_page)

        return list(map(make, upload.films))


def _parse_fps(text: str | None) -> float | None:
    """Return the frame rate of a request. The process that reads the film checks its range."""
    if not text:
        return None
    try:
        fps = float(text)
    except ValueError:
        fps = math.nan
    if not math.isfinite(fps):
        raise RequestError(f"fps must be a number, not {text[:40]!r}", 400)
    return fps


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _combine(outcomes: Sequence[FilmOutcome], key: str) -> Response:
    """Return one answer. Its status is 200 if at least one film was answered, and that of the first film otherwise."""
    status = 200 if any(outcome.status == 200 for outcome in outcomes) else outcomes[0].status
    rows = ", ".join(row for outcome in outcomes for row in outcome.rows)
    content = f'{{"misuse": {json.dumps(MISUSE)}, "{key}": [{rows}]}}'
    return Response(content, status, media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    """Return an answer with one line."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": f"{error.detail}: {request.method} {request.url.path}"}, error.status_code)
    status = error.status if isinstance(error, RequestError) else 500
    return JSONResponse({"error": str(error)}, status, {"Retry-After": "10"} if status == 503 else None)


async def _send_page_file(name: str = "page.html") -> Response:
    """Return a file of the web page."""
    if name not in _PAGE_TYPES:
        raise HTTPException(404)
    content = resources.files("microfacial.serving").joinpath(name).read_text(encoding="utf-8")
    return Response(content, media_type=_PAGE_TYPES[name])
