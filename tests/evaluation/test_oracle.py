from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score

from microfacial.errors import ProtocolError, StorageError
from microfacial.evaluation.folds import chunk_plans, train_chunks
from microfacial.evaluation.oracle import OracleFold, pool_oracle, read_oracle, record_oracle
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.records import Samples
from microfacial.training.fit import Predict
from networks import TinySettings, tiny

CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100)
Probabilities = NDArray[np.float64]


def certain(*classes: int) -> Probabilities:
    return np.eye(3)[list(classes)]


def guessing(*classes: int) -> Predict:
    return lambda _: certain(*classes)


def test_the_epoch_of_highest_accuracy_is_kept_and_the_earliest_on_ties(samples: Samples, tmp_path: Path) -> None:
    plans = plan_folds(samples, CONFIG)[:2]  # labels of both: 0, 1, 0, 1
    guesses = {1: (2, 2, 2, 1), 2: (0, 1, 2, 1), 3: (0, 1, 0, 2), 4: (0, 0, 0, 0)}
    with record_oracle(tmp_path)(samples, tuple(plans)) as watch:
        for epoch, guess in guesses.items():
            watch(1, epoch, guessing(*guess))
        watch(0, 1, guessing(0, 1, 0, 1))
    first, second = read_oracle(tmp_path, plans)
    assert (first.name, first.repeat, first.epoch) == (plans[0].name, 0, 1)
    assert (second.name, second.epoch) == (plans[1].name, 2)
    assert second.truth.tolist() == [0, 1, 0, 1]
    assert np.array_equal(second.probabilities, certain(*guesses[2]))


def test_it_predicts_only_test_rows(samples: Samples, tmp_path: Path) -> None:
    plan = plan_folds(samples, CONFIG)[2]
    with record_oracle(tmp_path)(samples, (plan,)) as watch:

        def predict(inputs: NDArray[np.float32]) -> Probabilities:
            assert np.array_equal(inputs, samples.inputs[plan.test_rows])
            return certain(0, 0, 0, 0)

        watch(0, 1, predict)


def test_a_watched_training_gives_the_same_results(samples: Samples, tmp_path: Path) -> None:
    chunks = chunk_plans(plan_folds(samples, CONFIG), 4)
    settings = TinySettings(epochs=5, learning_rate=0.03)
    unwatched = [*train_chunks(samples, chunks, tiny(), settings, processes=1)]
    watched = [*train_chunks(samples, chunks, tiny(), settings, processes=1, make_watch=record_oracle(tmp_path))]
    for fold, other in zip(unwatched, watched, strict=True):
        assert np.array_equal(fold.probabilities, other.probabilities)
        assert fold.history == other.history
    best = read_oracle(tmp_path, [plan for chunk in chunks for plan in chunk])
    for fold, chosen in zip(unwatched, best, strict=True):
        hits = [(fold.probabilities.argmax(1) == fold.truth).sum() for fold in (fold, chosen)]
        assert hits[1] >= hits[0]


def test_a_failed_chunk_leaves_no_file(samples: Samples, tmp_path: Path) -> None:
    plan = plan_folds(samples, CONFIG)[0]

    def fail_after_an_epoch() -> None:
        with record_oracle(tmp_path)(samples, (plan,)) as watch:
            watch(0, 1, guessing(0, 0, 0, 0))
            raise KeyError

    with pytest.raises(KeyError):
        fail_after_an_epoch()
    assert read_oracle(tmp_path, [plan]) == []


def test_a_missing_fold_is_named(samples: Samples, tmp_path: Path) -> None:
    plans = plan_folds(samples, CONFIG)[:2]
    with record_oracle(tmp_path)(samples, tuple(plans)) as watch:
        watch(1, 1, guessing(0, 0, 0, 0))
    with pytest.raises(StorageError, match=plans[0].key):
        read_oracle(tmp_path, plans)


def test_scores_are_pooled_over_folds() -> None:
    random = np.random.default_rng(0)
    truth, guesses = random.integers(0, 3, (2, 30))
    folds = [
        OracleFold(name=str(rows[0]), repeat=0, epoch=1, truth=truth[rows], probabilities=np.eye(3)[guesses[rows]])
        for rows in np.split(np.arange(30), 3)
    ]
    score = pool_oracle(folds, 3)
    assert score.oracle_uf1 == pytest.approx(f1_score(truth, guesses, average="macro"))
    assert score.oracle_uar == pytest.approx(recall_score(truth, guesses, average="macro"))
    with pytest.raises(ProtocolError, match=r"train\.oracle"):
        pool_oracle([], 3)


def test_scores_are_averaged_over_repetitions() -> None:
    truth, certain = np.array([0, 0, 1, 2]), np.eye(3)
    right, wrong = certain[truth], certain[[0, 0, 0, 0]]
    folds = [
        OracleFold(name="a", repeat=repeat, epoch=1, truth=truth, probabilities=guess)
        for repeat, guess in enumerate((right, wrong))
    ]
    score = pool_oracle(folds, 3)
    assert score.oracle_uf1 == pytest.approx((1 + (2 / 3) / 3) / 2)  # if all guesses are 0: F1 2/3, 0, 0
    assert score.oracle_uar == pytest.approx((1 + 1 / 3) / 2)
