"""Command `predict --camera`, with a film as the camera."""

import csv
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_cameras import DrawnCamera, FakeWindow, read_images
from drawn_films import FPS, draw_face, smile, write_film
from films import Frame

from command_line import run
from microfacial.datasets.film_writer import TimedVideo
from microfacial.datasets.video import scan_video
from microfacial.errors import ConfigError, DatasetError, PipelineError, StorageError
from microfacial.inference.answering_model import open_prior
from microfacial.inference.film_answer import MISUSE
from microfacial.pipeline.commands import predict_camera
from microfacial.pipeline.prediction_outputs import Outputs
from microfacial.preprocessing.faces import FacesConfig

MOVEMENT = (16, 21, 26)  # onset, apex and offset of the film


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """A second of a face whose mouth corner moves around frame 21."""
    folder = tmp_path_factory.mktemp("camera") / "film"
    return read_images(write_film(folder, [draw_face(height) for height in smile(40, 20)]))


class Watch:
    """Runs the command with a camera and a window for tests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.window = FakeWindow()
        self.camera = DrawnCamera([])

    def __call__(
        self,
        frames: Sequence[Frame],
        *arguments: str,
        window: FakeWindow | None = None,
        before: Callable[[int], None] = lambda index: None,
        fps: float = FPS,
    ) -> int:
        self.window, self.camera = window or FakeWindow(), DrawnCamera(frames, fps, before)
        self._monkeypatch.setattr(predict_camera, "open_camera", lambda index: self.camera)
        self._monkeypatch.setattr(predict_camera, "open_live_window", lambda title: self.window)
        return run(self._monkeypatch, "predict", "--camera", *arguments)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.chdir(tmp_path)
    return Watch(monkeypatch)


def test_a_camera_that_stops_is_still_answered_with_all_outputs(
    watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(frames, "--csv", "events.csv", "--html", "pages", "--render", "drawn.avi") == 2
    output = capsys.readouterr()
    assert "-".join(map(str, MOVEMENT)) in output.out.replace("–", "-")
    assert output.err.count(MISUSE) == 1
    assert output.err.splitlines()[-1].startswith("microfacial: camera 0 gives no more frames")
    with Path("events.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["clip"], row["onset"], row["apex"], row["offset"]) == ("camera 0", *map(str, MOVEMENT))
    assert "data:image" in Path("pages/camera-0.html").read_text()
    assert scan_video(Path("drawn.avi")).count == pytest.approx(30, abs=1)  # one second
    assert (watch.camera.closed, watch.window.closed) == (True, True)


def test_a_video_that_cannot_be_completed_does_not_lose_the_answer(
    watch: Watch, frames: list[Frame], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill_disk(video: TimedVideo) -> None:
        raise StorageError("drawn.avi cannot be written (No space left on device)")

    monkeypatch.setattr(TimedVideo, "close", fill_disk)
    assert watch(frames, "--csv", "events.csv", "--render", "drawn.avi") == 2
    output = capsys.readouterr()
    assert "-".join(map(str, MOVEMENT)) in output.out.replace("–", "-")
    assert "No space left on device" in output.err.splitlines()[-1]
    assert Path("events.csv").exists()
    assert not Path("drawn.avi").exists()


def test_an_output_that_cannot_be_written_does_not_lose_the_others(
    watch: Watch, frames: list[Frame], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(rows: object, note: object, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predict_camera, "write_answer_table", fail)
    options = ("--csv", "events.csv", "--html", "pages", "--seconds", "0.5", "--no-window")
    assert watch(frames, *options) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("microfacial: ")]
    assert "events.csv" in line
    assert Path("pages/camera-0.html").exists()


def test_a_recording_into_a_folder_replaces_no_earlier_one(watch: Watch, frames: list[Frame], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for _ in range(2):
        assert watch(frames[:20], "--html", "out", "--render", "out") == 2
    names = ["camera-0-2.html", "camera-0-2.mp4", "camera-0.html", "camera-0.mp4"]
    assert sorted(path.name for path in Path("out").iterdir()) == names


def test_a_video_whose_folder_is_deleted_does_not_lose_the_answer(
    watch: Watch, frames: list[Frame], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose_folder(video: TimedVideo) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(TimedVideo, "close", lose_folder)
    assert watch(frames, "--csv", "events.csv", "--render", "drawn.avi") == 2
    assert "drawn.avi" in capsys.readouterr().err.splitlines()[-1]
    assert Path("events.csv").exists()


def test_nothing_is_stored_without_an_output(watch: Watch, frames: list[Frame], tmp_path: Path) -> None:
    assert watch(frames[:20]) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_window_shows_the_frames(watch: Watch, frames: list[Frame]) -> None:
    watch(frames)
    height, width = frames[0].shape[:2]
    picture = watch.window.pictures[-1]
    assert picture.shape[0] > height
    assert picture.shape[1] > width
    left = (picture.shape[1] - width) // 2
    shown = picture[:height, left : left + width]
    same = (shown == frames[-1]).all(axis=-1).mean()
    assert 0.8 < same < 1  # all but the lines of the face


def test_a_closed_window_ends_the_recording(
    watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(frames, window=FakeWindow(most=2), before=lambda index: time.sleep(0.05)) == 0
    assert "camera 0: 1 person" in capsys.readouterr().out
    assert len(watch.window.pictures) == 2
    assert not watch.camera.ended.is_set()


def test_a_limit_ends_the_recording(watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(frames, "--seconds", "0.5", "--no-window") == 0
    assert "21 frames at 40 per second, 0.500 s" in capsys.readouterr().out
    assert watch.window.pictures == []


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_recording_with_an_answer(
    number: signal.Signals, watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(number)

    def interrupt(index: int) -> None:
        if index == 30:
            until = time.monotonic() + 10
            while len(watch.window.pictures) < 5 and time.monotonic() < until:
                time.sleep(0.01)
            assert signal.getsignal(number) != handler  # it would end the tests
            os.kill(os.getpid(), number)
        time.sleep(0.5 if index == 31 else 0)

    assert watch(frames, before=interrupt) == 0
    assert "camera 0: 1 person" in capsys.readouterr().out
    assert signal.getsignal(number) == handler


def test_json_has_the_fields_of_a_film(watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(frames, "--json") == 2
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["clip"], row["onset"], row["apex"], row["offset"]) == ("camera 0", *MOVEMENT)
    assert row["label"] in row["probabilities"]


def test_json_without_a_movement_is_one_line_with_a_reason(
    watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(frames[:8], "--json") == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["reason"]


def test_movements_are_printed_at_once_without_a_window(
    watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(frames, "--no-window") == 2
    lines = capsys.readouterr().out.splitlines()
    rows = [index for index, line in enumerate(lines) if "16–21–26" in line]
    assert len(rows) == 2  # at once, and in the table at the end
    assert lines[rows[0]].startswith("person 1")
    assert rows[0] < lines.index(next(line for line in lines if line.startswith("camera 0: ")))


def test_a_camera_that_is_too_slow_is_announced_once(
    watch: Watch, frames: list[Frame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(frames[::4], "--no-window", fps=10.0) == 2
    output = capsys.readouterr()
    assert output.err.count("the frame rate of 10 per second") == 1
    assert "10 frames at 10 per second" in output.out
    assert "no event: the frame rate of 10 per second" in output.out


def test_a_camera_without_a_frame_is_an_error(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch([], "--render", "drawn.mp4") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "microfacial: camera 0 gives no more frames"
    assert not Path("drawn.mp4").exists()


def test_no_window_and_no_camera_are_one_line(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> Callable[..., None]:
        def raise_error(argument: object) -> None:
            raise error

        return raise_error

    monkeypatch.setattr(predict_camera, "open_live_window", fail(PipelineError("no display")))
    assert run(monkeypatch, "predict", "--camera") == 2
    monkeypatch.setattr(predict_camera, "open_camera", fail(DatasetError("camera 3 cannot be opened")))
    assert run(monkeypatch, "predict", "--camera", "3", "--no-window") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("microfacial: ")]
    assert lines == ["microfacial: no display", "microfacial: camera 3 cannot be opened"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--camera", "film.mp4"), "film.mp4"),
        (("film.mp4", "--camera"), "film.mp4"),
        (("--camera", "0", "film.mp4"), "film.mp4"),
        (("--camera", "-1"), "-1"),
        (("--camera", "--fps", "30"), "--fps"),
        (("--camera", "--onset", "3"), "--onset"),
        (("--camera", "--apex", "0"), "--apex"),
        (("--camera", "--offset", "9"), "--offset"),
        (("--camera", "--seconds", "0"), "--seconds"),
        (("--camera", "--seconds", "nan"), "--seconds"),
        (("--camera", "--render", "drawn.txt", "--no-window"), "drawn.txt"),
        (("--camera", "--csv", "film.mp4/table.csv", "--no-window"), "--csv"),
        (("--camera", "--html", "film.mp4/pages", "--no-window"), "--html"),
        (("--camera", "--csv", "same.avi", "--render", "same.avi"), "same.avi"),
        (("--camera", "--csv", "pages/camera-0.html", "--html", "pages"), "camera-0.html"),
        (("film.mp4", "--seconds", "3"), "--seconds"),
        (("film.mp4", "--no-window"), "--no-window"),
        ((), "VIDEO"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: tuple[str, ...],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_text("no film")
    assert run(monkeypatch, "predict", *arguments) == 2
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_a_model_of_maps_is_refused(watch: Watch) -> None:
    model = replace(open_prior(), faces=FacesConfig(method="whole"))
    with pytest.raises(ConfigError, match="maps"):
        predict_camera.run_predict_camera(model, 0, None, Outputs(as_json=False), window=True)
    assert not watch.window.pictures
