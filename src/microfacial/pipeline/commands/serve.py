"""Commands `serve` and `app`: start the server."""

import socket
from contextlib import suppress
from functools import partial

import click
import uvicorn

from microfacial.errors import MissingExtraError, PipelineError
from microfacial.inference.request_limits import RequestLimits
from microfacial.pipeline.extras import require_extras
from microfacial.pipeline.project import VERSION_CACHE, Project
from microfacial.serving.access import is_loopback
from microfacial.serving.connections import TimedConnection
from microfacial.serving.offered_models import (
    ModelSource,
    OfferedModel,
    answer_by_name,
    offer_path,
    offer_prior,
    offer_versions,
)
from microfacial.serving.web_app import ServerPlan, make_web_app

_CONNECTIONS = 64  # more are refused, so that uploads cannot fill the disk
_SECONDS_TO_STOP = 2


def run_serve(
    host: str,
    port: int,
    path: str | None,
    limits: RequestLimits,
    processes: int,
    project: Project | None,
    *,
    with_page: bool,
) -> None:
    """Answer requests until the command is stopped.

    Args:
        host: host to listen on.
        port: port to listen on; 0 for a free one.
        path: folder of a bundle, or checkpoint of a fold, that is offered first; None for none.
        limits: limits of requests.
        processes: number of films that are answered at the same time.
        project: project whose versions are offered; None for none.
        with_page: whether to offer the web page.

    Raises:
        PipelineError: the host or the port cannot be used, or MLflow's store cannot be used.
        StorageError: a bundle is missing or damaged.
    """
    models = collect_models(path, project)
    answer = partial(answer_by_name, sources={model.name: model.source for model in models})
    plan = ServerPlan(answer=answer, models=models, limits=limits, host=host, processes=processes, with_page=with_page)
    with _listen(host, port) as listener:
        if not is_loopback(host):
            click.echo(
                f"microfacial: other machines can reach this server through {host}. It has no passwords and no "
                "encryption. Put a proxy in front of it that has both",
                err=True,
            )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        click.echo(f"{address}{'/' if with_page else '/predict'}  models: {', '.join(model.name for model in models)}")
        config = uvicorn.Config(
            make_web_app(plan),
            http=TimedConnection,
            log_level="warning",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_STOP,
            server_header=False,
        )
        with suppress(KeyboardInterrupt):  # the usual end
            uvicorn.Server(config).run(sockets=[listener])


def collect_models(path: str | None, project: Project | None) -> list[OfferedModel]:
    """Return the models to offer, the default first: a bundle or checkpoint, the champion, the prior, other versions.

    Args:
        path: folder of a bundle, or checkpoint of a fold; None for none.
        project: project whose versions are offered; None for none.
    """
    offered = [offer_path(path)] if path else []
    versions: list[OfferedModel] = []
    prior = ModelSource()
    if project is not None:
        from microfacial.pipeline.prior_settings import read_prior_settings

        settings = read_prior_settings()
        prior = ModelSource(scheme=project.clips.scheme, faces=settings.faces, flow=settings.flow)
        try:
            require_extras("mlflow")
            versions = offer_versions(project.clips.name, project.clips.scheme, VERSION_CACHE)
        except MissingExtraError as error:
            click.echo(f"microfacial: the versions of this project are not offered: {error}", err=True)
    offered += [model for model in versions if model.name == "champion"]
    # Without a champion, the prior is the default: promotion has accepted no other version.
    return [*offered, offer_prior(prior), *(model for model in versions if model.name != "champion")]


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port, before the server starts to import its libraries."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise PipelineError(
            f"the server cannot listen on {host}, port {port} ({reason}). Choose another --port or --host"
        ) from None
