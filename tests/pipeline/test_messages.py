"""Lines about long waits, the level of messages, and JSON."""

import errno
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import pytest

from command_line import run
from microfacial.errors import OutputError
from microfacial.pipeline.messages import WaitWatcher, guard_output, print_json

SECONDS = 0.1


def record(message: str, **attributes: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelno": logging.DEBUG, **attributes})


def watch(*steps: tuple[float, logging.LogRecord | None]) -> list[str]:
    """Return the printed lines. Each step waits, then makes a record the current step, or prints something."""
    lines: list[str] = []
    watcher = WaitWatcher("start", lines.append, SECONDS)
    watcher.start()
    for seconds, step in steps:
        time.sleep(seconds)
        if step is None:
            watcher.note_output()
        else:
            watcher.emit(step)
    watcher.stop()
    return lines


def test_the_current_step_is_printed_once_after_a_silence() -> None:
    assert watch((4 * SECONDS, record("end"))) == ["waiting: start"]
    assert watch((0, record("opening the store")), (5 * SECONDS, None)) == ["waiting: opening the store"]


def test_nothing_is_printed_about_a_short_step_or_after_an_output() -> None:
    assert watch((0, record("short"))) == []
    assert watch((0, record("opening the store")), (0, None), (4 * SECONDS, None)) == []


def test_a_program_that_prints_itself_is_not_announced() -> None:
    assert watch((0, record("running dvc repro", prints_itself=True)), (4 * SECONDS, None)) == []


@pytest.mark.parametrize(("level", "shown"), [("INFO", "waiting: loading libraries\n"), ("WARNING", "")])
def test_a_process_announces_a_wait_on_standard_error_unless_it_is_quiet(level: str, shown: str) -> None:
    code = (
        "import time, microfacial.pipeline.messages as messages\n"
        f"messages.set_level('{level}')\n"
        "messages.SILENT_SECONDS = 0.2\n"
        "messages.announce_waits('loading libraries')\n"
        "time.sleep(0.7)\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", shown)


@dataclass
class Item:
    value: float
    names: tuple[str, ...]


def test_json_is_one_document_without_numbers_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"items": [Item(float("nan"), ("ä",)), Item(1.5, ())], 3: None})
    assert json.loads(capsys.readouterr().out) == {
        "items": [{"value": None, "names": ["ä"]}, {"value": 1.5, "names": []}],
        "3": None,
    }


def test_a_machine_without_a_folder_for_temporary_files_gives_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory")

    monkeypatch.setattr("microfacial.pipeline.cli.main", fail)
    monkeypatch.setattr(tempfile, "gettempdir", fail)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert run(monkeypatch, "clips") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No usable temporary directory" in line


class FullStream(io.StringIO):
    """A stream on a full disk. Like /dev/full, it also refuses an empty text, whose error click ignores."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class ClosedPipe(io.StringIO):
    """A pipe whose reader has ended. The error comes when the text leaves the memory."""

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@pytest.mark.parametrize(("stream", "reason"), [(FullStream(), "No space left"), (ClosedPipe(), "Broken pipe")])
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("pretrain", "--help")])
def test_a_fault_of_standard_output_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stream: io.StringIO,
    reason: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setattr("sys.stdout", stream)
    assert run(monkeypatch, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"microfacial: standard output cannot be written ({reason}")


def test_a_json_document_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", FullStream())
    with pytest.raises(OutputError, match="standard output"), guard_output():
        print_json({"a": 1})
