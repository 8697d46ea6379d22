from pathlib import Path

import numpy as np

from microfacial.journal import FoldJournal
from microfacial.records import FoldPlan, FoldResult, History


def fold(subject: str = "c/s1") -> FoldResult:
    plan = FoldPlan(
        subject=subject, seed=5, held_out=np.array([0, 1]), validation=np.array([2]), training=np.array([3, 4])
    )
    return FoldResult(
        plan=plan,
        truth=np.array([0, 1]),
        probabilities=np.array([[0.9, 0.1], [1 / 3, 2 / 3]]),
        chosen="epoch 7",
        history=History(training_loss=(1.0, 0.5), validation_loss=(1.1, 0.7), validation_uar=(0.5, 0.6)),
        seconds=1.25,
    )


def test_a_fold_comes_back_as_it_was(tmp_path: Path) -> None:
    written = fold()
    FoldJournal(tmp_path, "key").write(written)
    kept = FoldJournal(tmp_path, "key").read(written.plan)
    assert kept is not None
    assert np.array_equal(kept.probabilities, written.probabilities)
    assert (kept.chosen, kept.history, kept.seconds) == (written.chosen, written.history, written.seconds)


def test_a_fold_of_another_key_or_subject_is_never_taken(tmp_path: Path) -> None:
    FoldJournal(tmp_path, "key").write(fold())
    assert FoldJournal(tmp_path, "other").read(fold().plan) is None
    assert FoldJournal(tmp_path, "key").read(fold("c/s2").plan) is None
