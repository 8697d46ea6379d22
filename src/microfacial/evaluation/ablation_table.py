"""Rows of the ablation's tables, and their CSV files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.scoring import gather, pool
from microfacial.evaluation.significance import compare_predictions
from microfacial.files import atomic_write, write_csv
from microfacial.records import Comparison, Evaluation, FoldResult, Predictions, Samples

_SCORES = (
    "uf1",
    "uf1_sd",
    "uar",
    "uar_sd",
    "uf1_difference",
    "uf1_difference_low",
    "uf1_difference_high",
    "uar_difference",
    "uar_difference_low",
    "uar_difference_high",
    "note",
)


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One row of a table: an ablation of the hybrid, or a shift of the apex.

    Attributes:
        name: name of the ablation, or the shift in frames such as +2.
        evaluation: scores, or None if the ablation is not possible.
        difference: difference to the reference row. None for the reference row itself and for a row without scores.
        moved: number of clips whose apex moved by the whole shift. None for an ablation.
        note: reason why there are no scores.
    """

    name: str
    evaluation: Evaluation | None = None
    difference: Comparison | None = None
    moved: int | None = None
    note: str = ""


def score_row(
    name: str,
    samples: Samples,
    folds: Sequence[FoldResult],
    config: TrainConfig,
    reference: Predictions | None = None,
) -> tuple[AblationRow, Predictions]:
    """Score the folds of one row, and compare them with the predictions of the reference row.

    Args:
        name: name of the row.
        samples: all rows of the data set.
        folds: results of all folds and repetitions.
        config: the protocol.
        reference: predictions of the reference row. None if this row is the reference.

    Returns:
        The row and its predictions.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    predictions = gather(name, samples, folds, config)
    difference = compare_predictions(predictions, reference, config.bootstrap_draws, config.seed) if reference else None
    return AblationRow(name=name, evaluation=pool(name, samples, folds, config), difference=difference), predictions


def write_ablation(folder: Path, rows: Sequence[AblationRow], shifts: Sequence[AblationRow], repeats: int) -> None:
    """Write ablation.csv, and jitter.csv if the apex could be shifted.

    Args:
        folder: the output folder. An existing folder is replaced.
        rows: the ablations, the full hybrid first.
        shifts: the shifts of the apex. Empty for published flow maps.
        repeats: repetitions of the protocol.
    """
    with atomic_write(folder) as scratch:
        scratch.mkdir()
        ablations = [{"hybrid": row.name, "repeats": repeats, **_cells(row)} for row in rows]
        write_csv(scratch / "ablation.csv", ablations, ("hybrid", "repeats", *_SCORES))
        if shifts:
            columns = ("shift_frames", "moved_clips", "clips", "repeats", *_SCORES)
            write_csv(scratch / "jitter.csv", _shift_rows(shifts, repeats), columns)


def _shift_rows(shifts: Sequence[AblationRow], repeats: int) -> Iterator[dict[str, Any]]:
    for row in shifts:
        assert row.evaluation is not None, "every shift has scores"
        yield {
            "shift_frames": int(row.name),
            "moved_clips": row.moved,
            "clips": row.evaluation.overall.clips,
            "repeats": repeats,
            **_cells(row),
        }


def _cells(row: AblationRow) -> dict[str, Any]:
    """Return the cells of a row by column, for the columns `_SCORES`. Values that do not exist are left out."""
    cells: dict[str, Any] = {"note": row.note}
    if evaluation := row.evaluation:
        for score in ("uf1", "uar"):
            cells[score] = getattr(evaluation.overall, score)
            cells[f"{score}_sd"] = getattr(evaluation, f"{score}_sd")
        cells["note"] = evaluation.note
    if difference := row.difference:
        for score in ("uf1", "uar"):
            low, high = getattr(difference, f"{score}_interval")
            cells[f"{score}_difference"] = getattr(difference, f"{score}_difference")
            cells |= {f"{score}_difference_low": low, f"{score}_difference_high": high}
    return cells
