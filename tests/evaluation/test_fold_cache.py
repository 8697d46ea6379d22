from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.evaluation.fold_cache import FoldCache, resume
from microfacial.evaluation.folds import Chunk
from microfacial.records import FoldPlan, FoldResult, History


def fold(name: str = "c/s1", repeat: int = 0) -> FoldResult:
    plan = FoldPlan(
        name=name,
        repeat=repeat,
        seed=5,
        test_rows=np.array([0, 1]),
        training_rows=np.array([2, 3, 4]),
        validation_fold=np.array([0, 0, 1]),
    )
    return FoldResult(
        plan=plan,
        truth=np.array([0, 1]),
        probabilities=np.array([[0.9, 0.1], [1 / 3, 2 / 3]]),
        chosen="epoch 7",
        history=History(training_loss=(1.0, 0.5), validation_loss=(1.1, 0.7), validation_uar=(0.5, 0.6)),
        seconds=1.25,
        importances={"fusion": np.array([[0.25, 0.75], [0.5, 0.5]])},
        checkpoint={"encoder.0.weight": np.ones((2, 3), np.float32), "truth": np.array(7)},
    )


def test_a_fold_comes_back_as_it_was(tmp_path: Path) -> None:
    written = fold()
    FoldCache(tmp_path, "key").write(written)
    kept = FoldCache(tmp_path, "key").read(written.plan)
    assert kept is not None
    assert np.array_equal(kept.truth, written.truth)
    assert np.array_equal(kept.probabilities, written.probabilities)
    assert (kept.chosen, kept.history, kept.seconds) == (written.chosen, written.history, written.seconds)
    assert kept.importances.keys() == {"fusion"}
    assert np.array_equal(kept.importances["fusion"], written.importances["fusion"])
    assert kept.checkpoint.keys() == written.checkpoint.keys()
    for name, array in written.checkpoint.items():
        assert kept.checkpoint[name].dtype == array.dtype
        assert np.array_equal(kept.checkpoint[name], array)


@pytest.mark.parametrize("other", [fold("c/s2"), fold(repeat=1)])
def test_a_fold_of_another_key_subject_or_repetition_is_never_taken(tmp_path: Path, other: FoldResult) -> None:
    FoldCache(tmp_path, "key").write(fold())
    assert FoldCache(tmp_path, "other").read(fold().plan) is None
    assert FoldCache(tmp_path, "key").read(other.plan) is None


def test_a_damaged_fold_names_the_remedy(tmp_path: Path) -> None:
    journal = FoldCache(tmp_path, "key")
    journal.write(fold())
    (path,) = (tmp_path / "key").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageError, match=r"is damaged .* Delete it"):
        journal.read(fold().plan)


def test_a_chunk_of_which_a_fold_is_missing_runs_whole_and_a_finished_one_not_at_all(tmp_path: Path) -> None:
    journal, first, second, third = FoldCache(tmp_path, "key"), fold("c/s1"), fold("c/s2"), fold("c/s3")
    asked: list[Chunk] = []

    def run(chunks: Sequence[Chunk]) -> Iterator[list[FoldResult]]:
        asked.extend(chunks)
        yield [second, third]

    for kept in (first, third):
        journal.write(kept)
    found = [one.plan.name for one in resume([(first.plan,), (second.plan, third.plan)], journal, run)]
    assert found == ["c/s1", "c/s2", "c/s3"]
    assert asked == [(second.plan, third.plan)]
    assert journal.read(second.plan) is not None
