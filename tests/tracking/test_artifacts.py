import shutil
from pathlib import Path

import pytest
from tracked_training import list_artifacts, load_table, read_runs, write_run

from microfacial.records import FoldResult, Samples
from microfacial.tracking.store import connect


def test_tables_list_whether_each_clip_is_right_and_the_accuracy_of_each_subject(
    root: Path, out: Path, folds: list[FoldResult], samples: Samples
) -> None:
    write_run(root, out, folds)
    client = connect(root)
    (parent,), children = read_runs(client)
    predictions = load_table(client, parent, "predictions.json")
    assert sorted(predictions["clip"]) == sorted(samples.clips.tolist())
    assert predictions["right"].all()
    subjects = load_table(client, parent, "subjects.json")
    assert subjects["accuracy"].tolist() == [1.0] * len(folds)
    assert {run.data.metrics["held_out_accuracy"] for run in children} == {1.0}


@pytest.mark.parametrize("deleted", ["files", "artifacts"])
def test_deleted_files_of_a_finished_run_are_written_again_without_repeated_rows_in_tables(
    root: Path, out: Path, folds: list[FoldResult], samples: Samples, deleted: str
) -> None:
    write_run(root, out, folds)
    client = connect(root)
    (parent,), _ = read_runs(client)
    shutil.rmtree(next((root / "mlruns").rglob(deleted)))
    assert write_run(root, out, folds)
    assert list_artifacts(client, parent, "files") == {path.name for path in out.iterdir() if path.is_file()}
    predictions = load_table(client, parent, "predictions.json")
    assert len(predictions) == len(samples.clips)
    assert not write_run(root, out, folds)
