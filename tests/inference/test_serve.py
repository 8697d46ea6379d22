"""The model that MLflow serves: answers like those of `predict`, several clips in a request, and clips that fail."""

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_films import FPS
from mlflow.exceptions import MlflowException
from mlflow.models.utils import _enforce_schema
from mlflow.pyfunc.model import PythonModelContext
from mlflow.pyfunc.scoring_server import infer_and_parse_data, predictions_to_json

import command_line
from microfacial.errors import RequestError, StorageError
from microfacial.inference import serve
from microfacial.inference.answer import answer_clip, answer_film
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.bundle import BUNDLE
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.request_limits import RequestLimits
from microfacial.inference.serve import ServedModel
from microfacial.tracking.pyfunc import make_signature

Post = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
NO_CONTEXT = PythonModelContext({}, {})  # type: ignore[no-untyped-call]
STILL = np.full((200, 210, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def served(version: Path) -> ServedModel:
    model = ServedModel()
    model.load_context(make_context(version))
    return model


@pytest.fixture(scope="module")
def post(served: ServedModel, model: AnsweringModel) -> Post:
    """Return a function that answers rows, which pass through JSON and the signature as in MLflow's server."""
    signature = make_signature(model.note.classes)

    def answer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        parsed = infer_and_parse_data(json.loads(json.dumps({"dataframe_records": rows})), signature.inputs)
        output = io.StringIO()
        table = served.predict(NO_CONTEXT, _enforce_schema(parsed, signature.inputs))
        predictions_to_json(table, output)  # type: ignore[no-untyped-call]
        assert "NaN" not in output.getvalue()
        return list(json.loads(output.getvalue())["predictions"])

    return answer


def make_context(version: Path) -> PythonModelContext:
    """Return MLflow's description of a version."""
    return PythonModelContext({"bundle": str(version / BUNDLE)}, {})  # type: ignore[no-untyped-call]


def encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def read_frames(film: Path) -> list[str]:
    """Return the frames of a film, in their order, as a request sends them."""
    return [encode(film / f"img{number}.png") for number in range(1, 41)]


def write_still_video(path: Path) -> str:
    """Write a video in which nothing is visible. Return it as base64."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, STILL.shape[1::-1])
    for _ in range(10):
        video.write(STILL)
    video.release()
    return encode(path)


def refuse(post: Post, rows: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the reason and the status of a refused request."""
    with pytest.raises(MlflowException) as raised:
        post(rows)
    raised.value.message = f"Failed to predict data 'A\nB'. \nError: {raised.value.message}"  # as MLflow's server does
    message = json.loads(raised.value.serialize_as_json())["message"]  # type: ignore[no-untyped-call]
    assert len(message.splitlines()) == 1
    return message, int(raised.value.get_http_status_code())  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def row(post: Post, film: Path) -> dict[str, Any]:
    """The answer to the frames of `film`."""
    (row,) = post([{"frames": read_frames(film), "fps": FPS}])
    return row


def test_posted_frames_are_answered_like_the_command_predict(
    row: dict[str, Any],
    version: Path,
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("predict", str(film), "--model", str(version), "--fps", f"{FPS:g}", "--json")
    assert command_line.run(monkeypatch, *arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    (event,) = row["answer"]["events"]
    assert row["label"] == event["label"] == printed["label"] is not None
    for name, probability in printed["probabilities"].items():
        assert row[f"p_{name}"] == pytest.approx(probability, abs=1e-6)
        assert event["probabilities"][name] == pytest.approx(probability, abs=1e-6)
    same = ("person", "onset", "apex", "offset", "onset_s", "apex_s", "offset_s", "score", "kind", "units")
    assert {name: event[name] for name in same} == {name: printed[name] for name in same}
    assert (row["reason"], row["error"]) == (None, None)


def test_the_answer_has_all_fields_and_names_the_version(
    row: dict[str, Any], model: AnsweringModel, answer: FilmAnswer
) -> None:
    expected = json.loads(json.dumps(answer.to_dict()))  # by the prior, which only recognises differently
    assert row["answer"].keys() == expected.keys()
    assert row["answer"]["events"][0].keys() == expected["events"][0].keys()
    for name in ("schema", "fps", "frames", "seconds", "people", "reason", "error"):
        assert row["answer"][name] == expected[name]
    assert row["answer"]["source"] == "the clip"
    assert row["answer"]["model"] == model.note.to_dict()
    assert model.note.version == "tiny.casme2-4, version 3"


def test_a_clip_with_moments_is_recognised_at_them(
    post: Post, model: AnsweringModel, film: Path, tmp_path: Path
) -> None:
    given = {"frames": read_frames(film), "onset": 16, "apex": 21, "offset": 26}
    rows = post([given, {"clip": write_still_video(tmp_path / "still.avi")}])
    expected = answer_clip(film, model, 16, 21, 26).events[0].probabilities
    assert {name: rows[0][f"p_{name}"] for name in expected} == expected
    assert rows[0]["label"] == max(expected, key=lambda name: expected[name])
    assert [event["kind"] for event in rows[0]["answer"]["events"]] == ["given"]
    assert (rows[1]["label"], rows[1]["error"]) == (None, None)


def test_a_film_without_movement_has_no_label_but_a_reason(post: Post, model: AnsweringModel, tmp_path: Path) -> None:
    (row,) = post([{"clip": write_still_video(tmp_path / "still.avi")}])
    assert row["label"] is None
    assert {row[f"p_{name}"] for name in model.note.classes} == {None}
    assert row["reason"] == row["answer"]["reason"] == answer_film(tmp_path / "still.avi", model).reason
    assert row["answer"]["events"] == []


def test_of_several_clips_one_that_fails_is_a_row_with_the_reason(post: Post, tmp_path: Path) -> None:
    still = write_still_video(tmp_path / "still.avi")
    damaged = base64.b64encode(b"RIFF\4\0\0\0AVI ").decode()
    rows = post([{"clip": "/etc/passwd"}, {"clip": still}, {"clip": damaged}, {"clip": still, "onset": 7, "apex": 3}])
    assert ["base64" in (row["error"] or "") for row in rows] == [True, False, False, False]
    assert [row["error"] is None for row in rows] == [False, True, False, False]
    assert rows[1]["answer"]["frames"] == 10
    for row in (rows[0], rows[2], rows[3]):
        assert (row["label"], row["reason"], row["answer"]) == (None, None, None)
        assert "/" not in row["error"]
        assert len(row["error"].splitlines()) == 1


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([{"clip": "/etc/passwd"}], "base64"),
        ([{"clip": "x"}, {"clip": None, "frames": [1]}], "base64"),
        ([{"clip": None}], "neither"),
        ([{"path": "clip.avi"}], "neither"),
        ([], "neither"),
    ],
)
def test_a_request_without_any_readable_clip_is_refused(post: Post, rows: list[dict[str, Any]], part: str) -> None:
    reason, status = refuse(post, rows)
    assert part in reason
    assert status == 400


def test_a_fault_of_the_program_stays_in_the_log(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_still_video(tmp_path / "still.avi")

    def fail(*_: object, **__: object) -> None:
        raise StorageError("/secret/folder is damaged")

    monkeypatch.setattr("microfacial.inference.served_answers.answer_film", fail)
    reason, status = refuse(post, [{"clip": clip}])
    assert ("secret" in reason, status, "secret" in caplog.text) == (False, 500, True)
    monkeypatch.setattr(serve, "run_job", fail)
    reason, status = refuse(post, [{"clip": clip}])
    assert ("secret" in reason, status) == (False, 500)


def test_an_empty_table_has_an_empty_answer(served: ServedModel, model: AnsweringModel) -> None:
    table = served.predict(NO_CONTEXT, pd.DataFrame({"clip": []}))
    names = [f"p_{name}" for name in model.note.classes]
    assert list(table.columns) == ["label", *names, "reason", "error", "answer"]
    assert len(table) == 0


def test_a_server_limits_the_clips_of_a_request_and_those_that_wait(
    post: Post, served: ServedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Busy:
        async def answer_all(self, jobs: object, seconds: float) -> None:
            assert 0 < seconds < 60  # before MLflow's limit ends the request without a reason
            raise RequestError("the server is busy", 503)

    clip = write_still_video(tmp_path / "still.avi")
    monkeypatch.setattr(served, "_workers", Busy())
    assert refuse(post, [{"clip": clip}]) == ("the server is busy", 503)
    reason, status = refuse(post, [{"clip": clip}] * 17)
    assert ("17 clips, more than 16" in reason, status) == (True, 400)


def test_only_a_server_starts_processes_that_end_before_its_own_limit(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[RequestLimits] = []

    class Workers:
        def __init__(self, _: object, chosen: RequestLimits, processes: int, modules: object) -> None:
            assert processes >= 1
            limits.append(chosen)

        def start(self) -> None: ...

        def close(self) -> None: ...

    context = make_context(version)
    monkeypatch.setattr(serve, "FilmWorkers", Workers)
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "200")
    monkeypatch.setattr(pd, "set_option", lambda *_: None)  # other tests keep their options
    ServedModel().load_context(context)
    assert limits == []
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc.scoring_server.app", ModuleType("app"))
    ServedModel().load_context(context)
    assert limits == [RequestLimits(seconds=180)]
