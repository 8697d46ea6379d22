"""Command `predict --camera`: find and recognise the movements in front of a camera while it records."""

import json
import logging
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, count
from pathlib import Path
from threading import Event as Flag

import click

from microfacial.datasets.film_writer import TimedVideo, check_video_path
from microfacial.datasets.frames import TimedFrame
from microfacial.datasets.live_camera import CameraReader, camera_name, open_camera
from microfacial.errors import ConfigError, DatasetError, MicrofacialError, StorageError
from microfacial.inference.answer_table import csv_rows, event_rows, format_event
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.inference.live_answer import LiveAnswer
from microfacial.inference.live_picture import LivePicture
from microfacial.inference.live_video import write_live_video
from microfacial.pipeline.live_window import LiveWindow, open_live_window
from microfacial.pipeline.messages import is_quiet
from microfacial.pipeline.prediction_outputs import (
    Outputs,
    attempt_output,
    check_outputs,
    check_targets,
    hold_faults,
    print_answer,
    print_head,
    write_answer_table,
    write_page,
)
from microfacial.pipeline.stop_signals import note_signals

_LOG = logging.getLogger(__name__)
_WAIT_S = 0.05  # for a frame, before the keys are looked at
_REDRAW_S = 0.1  # while frames wait, only some pictures are drawn


def run_predict_camera(
    model: AnsweringModel, index: int, limit_s: float | None, outputs: Outputs, *, window: bool
) -> bool:
    """Show a camera with its movements, and then print and write the answer about the recording.

    Args:
        model: the model.
        index: number of the camera. The first camera has the number 0.
        limit_s: time after which the recording ends; None for no limit.
        outputs: the outputs. A video is written while the camera records.
        window: whether to open a window. Without a window, each movement is printed as soon as it is final.

    Returns:
        Whether the camera recorded until the user or the limit ended it, and all outputs were written.

    Raises:
        ConfigError: the model or the file of the video does not fit a camera.
        PipelineError: no window can be opened.
        DatasetError: there is no such camera, or it gives no frame.
        StorageError: the video cannot be written, and there is no frame to answer.
    """
    name = camera_name(index)
    if model.faces.method == "whole":
        raise ConfigError(f"{name} gives frames, but this model reads maps. Leave out --model, or choose another model")
    page, render = _plan_outputs(name.replace(" ", "-"), outputs)
    with hold_faults(outputs):
        print_head(model.note, outputs)
    live = LiveAnswer(name, model, pictures=outputs.html is not None)
    printer = _EventPrinter(name, model, live, outputs, at_once=outputs.as_json or not window)
    fault: MicrofacialError | None = None
    try:
        with ExitStack() as stack:
            ended = stack.enter_context(note_signals())
            shown = stack.enter_context(closing(open_live_window(f"microfacial: {name}"))) if window else None
            reader = stack.enter_context(CameraReader(open_camera(index), name))
            screen = _Screen(shown, stack.enter_context(write_live_video(render)))
            if not is_quiet():
                click.echo(f"predict: {name} records. {'q, Esc or ' if window else ''}Ctrl+C ends it", err=True)
            _LOG.debug("recording with %s", name, extra={"prints_itself": True})
            fault = _record(reader, live, limit_s, screen, printer, ended)
            if not live.count:
                raise fault or DatasetError(f"{name}: the recording ended before the first frame. Try again")
    except (StorageError, OSError) as error:  # the disk is full, for example: the video is lost, the answer is not
        if not live.count:
            raise
        fault = error if isinstance(error, StorageError) else StorageError(f"{render}: {error.strerror or error}")
    answer = live.finish()
    printer.print_new()
    if not outputs.as_json or not answer.events:
        with hold_faults(outputs):
            print_answer(answer, as_json=outputs.as_json)
    written = True  # each output is attempted, because the recording cannot be repeated
    if outputs.csv is not None:
        written &= attempt_output(outputs.csv, partial(write_answer_table, csv_rows(answer), model.note))
    if page is not None:
        written &= attempt_output(page, partial(write_page, answer))
    if fault is not None:
        click.echo(f"microfacial: {fault}. The answer is about the frames before", err=True)
    return written and fault is None


def _plan_outputs(name: str, outputs: Outputs) -> tuple[Path | None, Path | None]:
    """Return the page and the video to write. In folders, no earlier recording is replaced."""
    check_outputs(outputs)
    folder = outputs.render if outputs.render is not None and outputs.render.is_dir() else None
    for stem in chain([name], (f"{name}-{number}" for number in count(2))):
        page = None if outputs.html is None else outputs.html / f"{stem}.html"
        video = outputs.render if folder is None else folder / f"{stem}.mp4"
        planned = [page, None if folder is None else video]
        if not any(path.exists() for path in planned if path is not None):
            break
    if video is not None:
        check_video_path(video)
    check_targets(outputs, filter(None, (page, video)))
    return page, video


class _Screen:
    """Shows and writes the pictures of a camera."""

    def __init__(self, window: LiveWindow | None, video: TimedVideo | None) -> None:
        self._window, self._video = window, video
        self._picture = LivePicture()
        self._drawn_s = 0.0

    def update(self, frame: TimedFrame, live: LiveAnswer, reader: CameraReader) -> None:
        """Draw a frame, unless others wait and the last picture is recent."""
        assert frame.seconds is not None
        if (self._window or self._video) and not (reader.is_behind() and frame.seconds - self._drawn_s < _REDRAW_S):
            self._drawn_s = frame.seconds
            picture = self._picture.draw(frame, live, reader.dropped)
            if self._window is not None:
                self._window.show(picture)
            if self._video is not None:
                self._video.write(picture, frame.seconds)

    def is_closed(self) -> bool:
        """Return whether the user has ended the recording in the window."""
        return self._window is not None and self._window.is_closed()


class _EventPrinter:
    """Prints movements as soon as they are final, and the first time at which the frame rate is too low."""

    def __init__(self, name: str, model: AnsweringModel, live: LiveAnswer, outputs: Outputs, *, at_once: bool) -> None:
        self._name, self._model, self._live = name, model, live
        self._outputs, self._at_once = outputs, at_once
        self._printed = 0
        self._warned = False

    def print_new(self) -> None:
        """Print the movements that were not printed before."""
        new = tuple(self._live.events[self._printed :])
        self._printed += len(new)
        if not self._at_once:
            return
        if self._live.slow and not self._warned:
            self._warned = True
            click.echo(f"predict: {self._name}: {self._live.slow}", err=True)
        with hold_faults(self._outputs):
            self._print(new)

    def _print(self, new: tuple[Event, ...]) -> None:
        if self._outputs.as_json and new:
            part = FilmAnswer(source=self._name, model=self._model.note, fps=None, frames=0, seconds=None, events=new)
            for row in event_rows(part):
                click.echo(json.dumps(row, ensure_ascii=False))
        elif new:
            click.echo("\n".join(map(format_event, new)))


def _record(
    reader: CameraReader,
    live: LiveAnswer,
    limit_s: float | None,
    screen: _Screen,
    printer: _EventPrinter,
    ended: Flag,
) -> DatasetError | None:
    """Read the camera until the user, the limit or the camera ends it. Return why the camera ended it."""
    while not ended.is_set() and not screen.is_closed():
        try:
            frame = reader.take(_WAIT_S)
        except DatasetError as error:
            return error
        if frame is None:
            continue
        if limit_s is not None and (frame.seconds or 0.0) > limit_s:
            break
        live.add(frame)
        printer.print_new()
        screen.update(frame, live, reader)
    return None
