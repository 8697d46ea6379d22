"""Commands that answer films over HTTP."""

from collections.abc import Callable
from typing import Any

import click

from microfacial.inference.request_limits import DEFAULT_LIMITS, RequestLimits
from microfacial.pipeline.cli.options import FiniteRange, open_checked_project, processes_option
from microfacial.pipeline.project import PARAMS

_MEGA = 2**20
_OPTIONS = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Host to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port. 0: a free one."),
    click.option("--model", metavar="PATH", help="Folder of a bundle or checkpoint of a fold, to be offered first."),
    click.option(
        "--max-mb",
        type=click.IntRange(1, 100_000),
        default=DEFAULT_LIMITS.upload_bytes // _MEGA,
        show_default=True,
        help="Limit of a request in MB.",
    ),
    click.option(
        "--max-frames",
        type=click.IntRange(2, 1_000_000),
        default=DEFAULT_LIMITS.frames,
        show_default=True,
        help="Limit of frames in a film.",
    ),
    click.option(
        "--max-megapixels",
        type=FiniteRange(0.01, 1000),
        default=round(DEFAULT_LIMITS.pixels / 1e6, 1),
        show_default=True,
        help="Limit of the pixels of a frame.",
    ),
    click.option(
        "--max-duration",
        type=FiniteRange(0.1, 1e6),
        default=DEFAULT_LIMITS.film_seconds,
        show_default=True,
        help="Limit of the duration of a film in seconds.",
    ),
    click.option(
        "--timeout",
        type=FiniteRange(0.1, 1e6),
        default=DEFAULT_LIMITS.seconds,
        show_default=True,
        help="Seconds to receive a request, and to answer each film.",
    ),
    click.option(
        "--max-memory",
        type=click.IntRange(512, 10_000_000),
        default=DEFAULT_LIMITS.memory_bytes // _MEGA,
        show_default=True,
        help="Limit of memory for each film in MB (Linux).",
    ),
    processes_option,
)


def _serve_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("serve")
@_serve_options
def serve_command(**options: Any) -> None:
    """Answer films that are sent over HTTP, as `predict` does."""
    _start(with_page=False, **options)


@click.command("app")
@_serve_options
def app_command(**options: Any) -> None:
    """Open a web page that records or takes a clip, and shows its movements."""
    _start(with_page=True, **options)


def _start(
    *,
    with_page: bool,
    host: str,
    port: int,
    model: str | None,
    max_mb: int,
    max_frames: int,
    max_megapixels: float,
    max_duration: float,
    timeout: float,
    max_memory: int,
    processes: int,
) -> None:
    from microfacial.pipeline.commands.serve import run_serve
    from microfacial.pipeline.extras import require_extras

    require_extras("fastapi", "uvicorn", "python_multipart", "pebble")
    limits = RequestLimits(
        upload_bytes=max_mb * _MEGA,
        pixels=round(max_megapixels * 1e6),
        frames=max_frames,
        film_seconds=max_duration,
        seconds=timeout,
        memory_bytes=max_memory * _MEGA,
    )
    project = open_checked_project() if PARAMS.exists() else None
    run_serve(host, port, model, limits, processes, project, with_page=with_page)
