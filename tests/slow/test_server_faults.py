"""A real MLflow server, a server of other pages, and a server that is stopped in the middle."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from microfacial.errors import PipelineError, StorageError
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.model_versions import ModelVersionRecord, Registry
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors
from mlflow_server import server, stop

pytestmark = pytest.mark.slow


@contextmanager
def pages(status: int, body: bytes, kind: str) -> Iterator[str]:
    """Serve the same answer to every request. Yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "kind", "fault"),
    [
        (200, b"<html>router</html>", "text/html", "is not an MLflow server"),
        (404, b"<html>no</html>", "text/html", "is not an MLflow server"),
        (404, b'{"detail": "Not Found"}', "application/json", "is not an MLflow server"),
        (401, b"who are you", "text/plain", "MLFLOW_TRACKING_USERNAME"),
        (403, b"no", "text/plain", "MLFLOW_TRACKING_TOKEN"),
    ],
)
def test_a_server_of_other_pages_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, kind: str, fault: str
) -> None:
    with pages(status, body, kind) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(PipelineError, match=fault) as caught:
            connect(tmp_path)
    assert uri in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_works_until_it_is_stopped_and_then_has_its_own_message(
    tmp_path: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://127.0.0.1:{unused_port}"
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("x: 1")
    record = ModelVersionRecord(
        name="d.s", version=0, model="m", settings={}, dataset="d", scheme="s", protocol="loso", tuned_on=(), run_id=""
    )
    with server(tmp_path / "laboratory", unused_port) as process:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{uri}/wrong/path")
        with pytest.raises(PipelineError, match="is not an MLflow server"):
            connect(tmp_path)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client = connect(tmp_path)
        experiment = ensure_experiment(client, "d", tmp_path)
        run = client.create_run(experiment).info.run_id
        client.delete_run(run)
        restore = f"`mlflow runs restore --run-id {run}`"
        with pytest.raises(PipelineError, match=restore), mlflow_errors_as_pipeline_errors(tmp_path):
            client.set_tag(run, "a", "b")
        with pytest.raises(PipelineError, match="deleted permanently"), mlflow_errors_as_pipeline_errors(tmp_path):
            client.get_run("f" * 32)

        registry = Registry(client, "d.s")
        version = registry.add(model, record, "", tmp_path).version
        fetched = registry.fetch(version, tmp_path / "cache")
        assert (fetched / "MLmodel").read_text() == "x: 1"
        for path in sorted((tmp_path / "laboratory" / "artifacts").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        with pytest.raises(StorageError, match=rf"the files of d.s, version {version}, are missing"):
            registry.fetch(version, tmp_path / "another cache")
        stop(process)
        with (
            pytest.raises(PipelineError, match=f"{uri} does not answer"),
            mlflow_errors_as_pipeline_errors(tmp_path),
        ):
            registry.fetch(version, tmp_path / "third cache")
        with pytest.raises(PipelineError, match=f"{uri} does not answer"):
            connect(tmp_path)
