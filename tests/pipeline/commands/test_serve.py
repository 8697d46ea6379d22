"""The commands `serve` and `app` up to the moment at which the server listens."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from command_line import run
from fakes import ROOT
from microfacial.inference.request_limits import DEFAULT_LIMITS, RequestLimits
from microfacial.pipeline.cli.servers import serve_command
from microfacial.pipeline.commands import serve
from microfacial.serving.connections import TimedConnection
from microfacial.serving.web_app import ServerPlan


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[ServerPlan]:
    """Return the plans of servers, which do not run. The current folder is no project."""
    plans: list[ServerPlan] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "make_web_app", plans.append)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    return plans


@pytest.mark.usefixtures("plans")
def test_a_connection_without_headers_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[uvicorn.Server] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: servers.append(self))
    assert run(monkeypatch, "serve", "--port", "0") == 0
    assert servers[0].config.http is TimedConnection


def test_serve_listens_on_this_machine_and_offers_the_prior(
    plans: list[ServerPlan], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve", "--port", "0", "--processes", "3") == 0
    output = capsys.readouterr()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/predict  models: prior\n", output.out)
    assert output.err == ""
    (plan,) = plans
    assert (plan.host, plan.processes, plan.with_page) == ("127.0.0.1", 3, False)
    assert "prohibited" in plan.models[0].card
    assert plan.limits == RequestLimits(pixels=8_300_000)
    assert plan.limits.pixels - DEFAULT_LIMITS.pixels < 10_000  # the option is rounded


def test_app_offers_the_page_and_takes_limits(plans: list[ServerPlan], monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ["--max-mb", "5", "--max-frames", "9", "--max-megapixels", "2", "--max-duration", "3"]
    assert run(monkeypatch, "app", "--port", "0", *limits, "--timeout", "4", "--max-memory", "600") == 0
    (plan,) = plans
    assert plan.with_page
    assert plan.limits == RequestLimits(
        upload_bytes=5 * 2**20,
        frames=9,
        pixels=2_000_000,
        film_seconds=3,
        seconds=4,
        memory_bytes=600 * 2**20,
    )


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(("host", "warns"), [("0.0.0.0", True), ("localhost", False), ("127.0.0.2", False)])
def test_a_host_that_others_can_reach_prints_a_warning(
    host: str, warns: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve", "--port", "0", "--host", host) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == warns
    assert all("no passwords" in line and host in line for line in lines)


@pytest.mark.usefixtures("plans")
def test_a_host_a_port_or_a_model_that_cannot_be_used_gives_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[list[str], Any]] = [
            (["--port", port], f"port {port}"),
            (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
            (["--host", "a" * 70], "a" * 70),
            (["--model", "nothing"], "nothing contains no bundle"),
            (["--model", "models:/demo.casme2-4@champion"], "folder of a bundle"),
        ]
        for options, word in cases:
            assert run(monkeypatch, "serve", "--port", "0", *options) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("microfacial: ")
            assert word in line


def test_the_guide_has_the_defaults_of_the_options() -> None:
    table = (ROOT / "docs/guides/serve.md").read_text()
    documented = dict(re.findall(r"^\| `(--max-\w+|--timeout)` \| ([\d.,]+)", table, flags=re.M))
    options = {option.opts[0]: option.default for option in serve_command.params if option.opts[0] in documented}
    assert {name: float(text.replace(",", "")) for name, text in documented.items()} == options
    assert len(options) == 6
    assert f"at most {DEFAULT_LIMITS.films} films, {DEFAULT_LIMITS.waiting} films can wait" in table
