"""Messages of the command line: the level of logging, the line about a long wait, and JSON documents.

Each long step of the package logs a line before it starts, at the level DEBUG. `-v` prints these lines. Without `-v`,
the line about the current step is printed on standard error if the command has printed nothing for two seconds.
"""

import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from microfacial.errors import ConfigError, OutputError

LEVEL_VARIABLE = "MICROFACIAL_LOG_LEVEL"
"""Environment variable with the level. The stages that DVC starts read it."""

SILENT_SECONDS = 2.0
"""Longest time without a line."""

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LOGGER = logging.getLogger("microfacial")


class WaitWatcher(logging.Handler):
    """A thread that prints the current step when nothing was printed for a while.

    It is a handler of logging: the latest record is the current step. It prints each step once. It prints no step that
    was followed by another output of the command. A record with the attribute `prints_itself` is about a program that
    prints its own lines, so there is nothing to announce.

    Args:
        step: the step before the first record.
        write: prints a line.
        seconds: longest time without a line.
    """

    def __init__(self, step: str, write: Callable[[str], object], seconds: float) -> None:
        super().__init__(logging.DEBUG)
        self._write, self._seconds = write, seconds
        self._step, self._announced = step, False
        self._last_output = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to watch."""
        self._ended.set()

    def emit(self, record: logging.LogRecord) -> None:
        """Make a record the current step.

        Args:
            record: a record of the package.
        """
        self._step, self._announced = record.getMessage(), getattr(record, "prints_itself", False)

    def note_output(self) -> None:
        """Start the time again, because the command has printed something."""
        self._announced, self._last_output = True, time.monotonic()

    def _watch(self) -> None:
        while not self._ended.wait(min(0.1, self._seconds / 2)):
            if not self._announced and time.monotonic() - self._last_output > self._seconds:
                self._announced, self._last_output = True, time.monotonic()
                self._write(f"waiting: {self._step}")


class NotedStream:
    """A text stream that tells a watcher about each write.

    Args:
        stream: the stream to write to.
        note: called before each write.
    """

    def __init__(self, stream: TextIO, note: Callable[[], None]) -> None:
        self._stream, self._note = stream, note

    def write(self, text: str) -> int:
        """Write text.

        Args:
            text: the text.

        Returns:
            Number of characters.
        """
        self._note()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class GuardedOutput:
    """Standard output that raises an error of one line if it cannot be written, such as on a full disk.

    After an error the remaining text is dropped, because Python would try to write it when the process ends.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._fault = stream, ""

    def write(self, text: str) -> int:
        """Write text.

        Args:
            text: the text.

        Returns:
            Number of characters.

        Raises:
            OutputError: the text or an earlier text cannot be written. Click ignores the first error.
        """
        with self._translate_errors():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write the text that waits in memory.

        Raises:
            OutputError: the text cannot be written.
        """
        with self._translate_errors():
            self._stream.flush()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        if self._fault:
            raise OutputError(self._fault)
        try:
            yield
        except OSError as error:
            self._drop_text()
            remedy = (
                "The program that reads it has ended"
                if isinstance(error, BrokenPipeError)
                else "Make room, or send the output to another place"
            )
            self._fault = f"standard output cannot be written ({error.strerror or error}). {remedy}"
            raise OutputError(self._fault) from None

    def _drop_text(self) -> None:
        with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:  # a test's stream has no number
            os.dup2(nowhere.fileno(), self._stream.fileno())
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guard_output() -> Iterator[None]:
    """Let faults of standard output in the context raise an error that names it. All text is written at the end.

    Raises:
        OutputError: standard output cannot be written.
    """
    original = sys.stdout
    guarded = GuardedOutput(original)
    sys.stdout = guarded
    try:
        yield
    finally:
        sys.stdout = original
        guarded.flush()


def announce_waits(step: str) -> None:
    """Print the current step on standard error whenever this process has printed nothing for two seconds.

    Streams that another program has replaced stay as they are, and nothing is announced. `-q` announces nothing.

    Args:
        step: the first step.
    """
    output, error = sys.stdout, sys.stderr
    if output is not sys.__stdout__ or error is not sys.__stderr__ or output is None or error is None:
        return

    def write(line: str) -> None:
        if not is_quiet():
            error.write(f"{line}\n")
            error.flush()

    watcher = WaitWatcher(step, write, SILENT_SECONDS)
    sys.stdout = NotedStream(output, watcher.note_output)
    sys.stderr = NotedStream(error, watcher.note_output)
    _LOGGER.addHandler(watcher)
    watcher.start()


def start_logging() -> None:
    """Print the records of the package's loggers on standard error, at the level that the environment names.

    Raises:
        ConfigError: the environment names no level.
    """
    if not any(isinstance(handler, _Printer) for handler in _LOGGER.handlers):
        _LOGGER.addHandler(_Printer())
        _LOGGER.setLevel(logging.DEBUG)  # the watcher needs all records; the printer has its own level
    level = os.environ.get(LEVEL_VARIABLE) or "INFO"
    if level.upper() not in _LEVELS:
        raise ConfigError(f"{LEVEL_VARIABLE} is {level!r}. Choose from {', '.join(_LEVELS)}")
    set_level(level.upper())


def set_level(level: str) -> None:
    """Set the lowest level of records that are printed, for this process and for the processes that it starts.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
    """
    os.environ[LEVEL_VARIABLE] = level
    for handler in _LOGGER.handlers:
        if isinstance(handler, _Printer):
            handler.setLevel(level)


class _Printer(logging.Handler):
    """Prints records on standard error, as it is at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "debug: " if record.levelno < logging.INFO else ""
        click.echo(f"{prefix}{record.getMessage()}", err=True)


def is_quiet() -> bool:
    """Return whether only results, warnings and errors are printed."""
    return os.environ.get(LEVEL_VARIABLE, "") in ("WARNING", "ERROR")


def print_json(content: Any) -> None:
    """Print one JSON document on standard output.

    Args:
        content: mappings, lists, texts, numbers and records. Numbers that are not finite become null.
    """
    click.echo(json.dumps(_as_json(content), ensure_ascii=False, indent=2, allow_nan=False))


def _as_json(content: Any) -> Any:
    if is_dataclass(content) and not isinstance(content, type):
        content = asdict(content)
    if isinstance(content, Mapping):
        return {str(key): _as_json(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_as_json(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
