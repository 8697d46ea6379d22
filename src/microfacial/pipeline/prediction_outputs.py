"""Print and write answers about films and cameras."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from microfacial.datasets.folders import FRAME_EXTENSIONS
from microfacial.disk import existing_parent, is_writable
from microfacial.errors import ConfigError, MicrofacialError, OutputError, escape_controls
from microfacial.inference.answer_table import csv_columns, event_rows, format_answer, format_probabilities
from microfacial.inference.film_answer import MISUSE, FilmAnswer, ModelNote


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Outputs of the command `predict`, besides the text on standard output.

    Attributes:
        as_json: whether standard output is one line of JSON for each event.
        csv: file of a table; None for none.
        html: folder of pages; None for none.
        render: file of a video, or folder of videos if there are several films; None for none.
    """

    as_json: bool
    csv: Path | None = None
    html: Path | None = None
    render: Path | None = None


def check_outputs(outputs: Outputs, films: Sequence[Path] = ()) -> None:
    """Refuse outputs that cannot be written or that would replace something, before the work begins.

    Args:
        outputs: the outputs.
        films: the films to predict.

    Raises:
        ConfigError: two outputs are the same file, an output would replace a film or one of its frames, or it cannot be
            written at its place.
    """
    paths = {"--csv": outputs.csv, "--html": outputs.html, "--render": outputs.render}
    given = {option: path for option, path in paths.items() if path is not None}
    inputs = {film.resolve() for film in films}
    for option, path in given.items():
        target = path.resolve()
        if outputs.csv is not None and option != "--csv" and target == outputs.csv.resolve():
            raise ConfigError(f"--csv and {option} name the same file, {path}. Give two files")
        is_frame = target.parent in inputs and target.is_file() and target.suffix.lower() in FRAME_EXTENSIONS
        if is_frame or (target in inputs and not target.is_dir()):
            raise ConfigError(f"{option} would replace the film {path}. Give another file or folder")
        parent = existing_parent(path)
        if not path.exists() and not parent.is_dir():
            raise ConfigError(f"{option} {path}: {parent} is not a folder. Give another place")
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigError(f"{option} {path} is a pipe or a device, which would be replaced. Give a file")
        if option == "--csv" and path.is_dir():
            raise ConfigError(f"--csv {path} is a folder. Give a file in it, such as {path / 'movements.csv'}")
        changed = path if path.is_dir() else path.absolute().parent  # a file is replaced, so its folder changes
        if not is_writable(changed):
            folder = existing_parent(changed)
            raise ConfigError(f"{option} {path}: {folder} cannot be changed by this user. Give another place")


def check_targets(outputs: Outputs, targets: Iterable[Path]) -> None:
    """Refuse outputs of which one would replace another.

    Args:
        outputs: the outputs.
        targets: pages and videos that will be written.

    Raises:
        ConfigError: two outputs are the same file.
    """
    taken = set() if outputs.csv is None else {outputs.csv.resolve()}
    for target in targets:
        if target.resolve() in taken:
            raise ConfigError(f"two outputs would be written to {target}. Give another file or folder to one of them")
        taken.add(target.resolve())


@contextmanager
def hold_faults(outputs: Outputs) -> Iterator[None]:
    """Let a fault of standard output in the context stop the command only after its files have been written.

    `guard_output` raises the fault again at the end of the command.

    Args:
        outputs: the outputs. Without files, a fault is not held.
    """
    has_files = any((outputs.csv, outputs.html, outputs.render))
    with suppress(OutputError) if has_files else nullcontext():
        yield


def print_head(note: ModelNote, outputs: Outputs) -> None:
    """Print the note on misuse and the model, before the first answer.

    Args:
        note: the model.
        outputs: the outputs.
    """
    click.echo(f"predict: {MISUSE}.", err=True)
    if not outputs.as_json:
        click.echo(f"{note.name}, {note.version}, classes {', '.join(note.classes)}")


def print_answer(answer: FilmAnswer, *, as_json: bool) -> None:
    """Print an answer on standard output, or the error on standard error if the film cannot be read.

    Args:
        answer: the answer.
        as_json: whether to print one line of JSON for each event instead of a table.
    """
    if answer.error is not None:
        click.echo(f"microfacial: {escape_controls(answer.error)}", err=True)
    if as_json:
        for row in event_rows(answer):
            click.echo(json.dumps(row, ensure_ascii=False))
    elif answer.error is None and answer.people:
        click.echo(format_answer(answer))
    elif answer.error is None:
        for event in answer.events:
            click.echo(f"{escape_controls(answer.source)}  {event.label}  ({format_probabilities(event)})")
        if answer.reason:
            click.echo(format_answer(answer))


def write_page(answer: FilmAnswer, path: Path, film: Path | None = None) -> None:
    """Write an answer as a page.

    Args:
        answer: the answer, whose events have pictures.
        path: file to write.
        film: the film, by which `is_page_of` recognises the page; None for a recording, whose page is never replaced.
    """
    from microfacial.files import write_text
    from microfacial.inference.film_page import render_film_page

    write_text(path, render_film_page(answer) + ("" if film is None else _mark_page(film)))


def is_page_of(film: Path, path: Path) -> bool:
    """Return whether a file is a page that `write_page` wrote for a film.

    Args:
        film: the film.
        path: the file, which exists.
    """
    mark = _mark_page(film).encode()
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(-min(len(mark), path.stat().st_size), os.SEEK_END)
        return stream.read() == mark
    return False


def _mark_page(film: Path) -> str:
    """Return a comment about a film. It does not show the folders on this machine."""
    return f"\n<!-- microfacial film {hashlib.sha256(os.fsencode(film.resolve())).hexdigest()} -->\n"


def write_answer_table(rows: Iterable[dict[str, str]], note: ModelNote, path: Path) -> None:
    """Write rows of answers as a CSV file.

    Args:
        rows: rows of `csv_rows`.
        note: the model.
        path: file to write.
    """
    from microfacial.files import write_csv
    from microfacial.formats import escape_text

    shown = ({name: escape_text(cell) for name, cell in row.items()} for row in rows)
    write_csv(path, shown, csv_columns(note.classes))


def attempt_output(path: Path, write: Callable[[Path], None]) -> bool:
    """Write an output. Print a line if it cannot be written, so that the other outputs are still written.

    Args:
        path: file to write.
        write: writes the file.

    Returns:
        Whether it was written.
    """
    try:
        write(path)
    except MicrofacialError as error:
        click.echo(f"microfacial: {escape_controls(str(error))}", err=True)
        return False
    except OSError as error:
        reason = f"{path} cannot be written ({error.strerror or error}). Give another place"
        click.echo(f"microfacial: {escape_controls(reason)}", err=True)
        return False
    return True
