"""Summaries of folds from files: rows that do not belong to their fold are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tracked_training import CONFIG, make_folds

from microfacial.errors import StorageError
from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.scoring import pool
from microfacial.records import Samples
from microfacial.tracking.fold_records import read_folds, summarise_fold

Lines = list[str]


@pytest.fixture
def folder(samples: Samples, tmp_path: Path) -> Path:
    folds = make_folds(samples, CONFIG)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, CONFIG))
    assert list(read_folds(tmp_path / "m")) == [summarise_fold(fold) for fold in folds]
    return tmp_path / "m"


def replace_cell(lines: Lines, row: int, column: str, cell: str) -> Lines:
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = cell
    return [*lines[:row], ",".join(cells), *lines[row + 1 :]]


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("predictions.csv", lambda lines: [lines[0], *reversed(lines[1:])]),
        ("folds.csv", lambda lines: [lines[0], *reversed(lines[1:])]),
        ("folds.csv", lambda lines: replace_cell(lines, 1, "seed", "-1")),
        ("folds.csv", lambda lines: replace_cell(lines, 1, "held_out_subjects", "a/99")),
        (
            "folds.csv",
            lambda lines: replace_cell(replace_cell(lines, 1, "held_out_clips", "3"), 2, "held_out_clips", "5"),
        ),
        (
            "folds.csv",
            lambda lines: replace_cell(replace_cell(lines, 1, "held_out_clips", "0"), 2, "held_out_clips", "8"),
        ),
        (
            "folds.csv",
            lambda lines: replace_cell(replace_cell(lines, 1, "held_out_clips", "-3"), 2, "held_out_clips", "11"),
        ),
    ],
)
def test_rows_that_belong_to_another_fold_are_refused(folder: Path, name: str, edit: Callable[[Lines], Lines]) -> None:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in edit(path.read_text().splitlines())))
    with pytest.raises(StorageError, match=r"(predictions|folds)\.csv"):
        list(read_folds(folder))
