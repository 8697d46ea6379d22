import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.folds import FitChunk, chunk_plans, train_chunk, train_chunks, train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS
from microfacial.models.lookup import Model
from microfacial.records import Fitted, FoldPlan, FoldResult, History, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.fit import Watch, fit, restore
from networks import TinySettings, tiny

CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100)
SETTINGS: dict[str, dict[str, object]] = {
    "majority": {},
    "linear_svm": {"c_values": [0.01, 0.1], "inner_folds": 2},
    "roi_cnn": {"input_px": 16, "widths": [8, 8, 8, 8], "epochs": 3, "early_stopping": True},
}


@dataclass
class Recorder:
    """A `fit` that records the rows it receives. Each input is the number of its row."""

    received: list[tuple[int, set[int]]] = field(default_factory=list)
    chosen: str = ""
    history: History = field(default_factory=History)

    def __call__(
        self, chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        assert watch is None
        self.received += [(data.seed, {int(value) for value in data.samples.inputs.ravel()}) for data in chunk]
        return [self] * len(chunk)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.tile([0.5, 0.3, 0.2], (len(inputs), 1))

    def checkpoint(self) -> dict[str, NDArray[np.float64]]:
        return {"weights": np.ones(1)}


def numbered(samples: Samples) -> Samples:
    return replace(samples, inputs=np.arange(len(samples.labels), dtype=np.float32)[:, None])


def settings_of(model: str) -> Section:
    return MODELS[model].settings.model_validate(SETTINGS[model])


def folds_of(
    samples: Samples,
    model: Model,
    settings: Section | None = None,
    *,
    size: int = 1,
    processes: int = 1,
    plans: Sequence[FoldPlan] | None = None,
    fit: FitChunk = fit,
) -> dict[str, FoldResult]:
    chunks = chunk_plans(plans or plan_folds(samples, CONFIG), size)
    settings = settings or settings_of(str(model))
    return {
        fold.plan.key: fold for fold in train_chunks(samples, chunks, model, settings, processes=processes, fit=fit)
    }


def test_no_model_is_trained_on_a_test_subject(samples: Samples) -> None:
    recorder, rows = Recorder(), numbered(samples)
    plans = plan_folds(rows, CONFIG)
    folds_of(rows, "majority", size=3, fit=recorder)
    for plan, (seed, received) in zip(plans, recorder.received, strict=True):
        assert seed == plan.seed
        assert received == set(plan.training_rows)
        assert not received & set(plan.test_rows)


def test_chunks_are_even_and_bounded_and_never_mix_repetitions(samples: Samples) -> None:
    plans = plan_folds(samples, CONFIG.model_copy(update={"repeats": 2}))
    chunks = chunk_plans(plans, 3)
    assert [len(chunk) for chunk in chunks] == [1, 2, 2, 2, 1, 2, 2, 2]
    assert [plan for chunk in chunks for plan in chunk] == plans
    assert chunks[:4] == chunk_plans(plans[:7], 3)
    assert [len(chunk) for chunk in chunk_plans(plans[:5], 8)] == [2, 3]
    assert [len(chunk) for chunk in chunk_plans(plans[:1], 8)] == [1]
    assert [len(chunk) for chunk in chunk_plans(plans[:3], 1)] == [1, 1, 1]


@pytest.mark.parametrize("model", ["majority", "linear_svm", "roi_cnn"])
def test_labels_of_a_test_subject_do_not_change_its_predictions(samples: Samples, model: str) -> None:
    test = samples.subjects == "a/1"
    corrupted = replace(samples, labels=np.where(test, 1 - samples.labels, samples.labels))
    honest, other = (folds_of(rows, model)["a/1#0"] for rows in (samples, corrupted))
    assert np.array_equal(honest.probabilities, other.probabilities)
    assert honest.chosen == other.chosen


def test_labels_of_a_test_subject_do_not_change_its_predictions_in_lockstep(samples: Samples) -> None:
    """Other folds of the same chunk train on these labels."""
    settings = TinySettings(epochs=4, flip=True, mixup_alpha=0.2)
    corrupted = replace(samples, labels=np.where(samples.subjects == "a/1", 1 - samples.labels, samples.labels))
    honest, other = (folds_of(rows, tiny(), settings, size=7) for rows in (samples, corrupted))
    assert np.array_equal(honest["a/1#0"].probabilities, other["a/1#0"].probabilities)
    assert not np.array_equal(honest["a/2#0"].probabilities, other["a/2#0"].probabilities)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "size"), [("linear_svm", 1), ("roi_cnn", 1), ("roi_cnn", 3)])  # 3: in lockstep
def test_the_same_seed_gives_the_same_folds_with_one_process_or_two(samples: Samples, model: str, size: int) -> None:
    large = replace(samples, inputs=samples.inputs.repeat(3, axis=-1).repeat(3, axis=-2))
    assert large.inputs.nbytes > 2**20  # joblib passes larger arrays as files
    once, again, by_two = (folds_of(large, model, size=size, processes=processes) for processes in (1, 1, 2))
    for key, fold in once.items():
        for other in (again[key], by_two[key]):
            assert np.array_equal(fold.probabilities, other.probabilities)
            assert fold.history == other.history


def test_the_result_of_a_fold_does_not_depend_on_other_folds(samples: Samples) -> None:
    all_folds = folds_of(samples, "roi_cnn")
    plans = [plan for plan in plan_folds(samples, CONFIG) if plan.name in ("a/2", "b/0")]
    for key, fold in folds_of(samples, "roi_cnn", plans=plans).items():
        assert np.array_equal(fold.probabilities, all_folds[key].probabilities)


@pytest.mark.parametrize("model", ["majority", "linear_svm", "roi_cnn"])
def test_a_class_without_training_rows_keeps_its_column(samples: Samples, model: str) -> None:
    rare_class = replace(
        samples, labels=np.where((samples.labels == 2) & (samples.subjects == "a/5"), 0, samples.labels)
    )
    fold = folds_of(rare_class, model)["a/4#0"]
    assert 2 not in rare_class.labels[fold.plan.training_rows]
    assert fold.probabilities.shape == (4, 3)
    assert fold.probabilities.sum(axis=1) == pytest.approx(1)
    if model != "roi_cnn":
        assert not fold.probabilities[:, 2].any()


@pytest.mark.slow
def test_a_finished_fold_is_yielded_while_a_slow_one_is_trained(samples: Samples, tmp_path: Path) -> None:
    """If the run is killed, only the slow fold is lost."""
    plans, arrived = plan_folds(samples, CONFIG), []
    slowly = partial(fit_slowly, slow=plans[0].seed, until=tmp_path / "go")
    chunks = chunk_plans(plans, 1)
    for fold in train_chunks(samples, chunks, "majority", settings_of("majority"), processes=2, fit=slowly):
        arrived.append(fold.plan.key)
        if len(arrived) == len(plans) - 1:
            (tmp_path / "go").touch()
    assert arrived[-1] == plans[0].key
    assert sorted(arrived) == [plan.key for plan in plans]


def test_three_subjects_with_one_clip_each_are_evaluated_or_refused(samples: Samples) -> None:
    rows = samples.take(np.array([0, 5, 18]))
    assert len(folds_of(rows, "majority")) == 3
    with pytest.raises(ProtocolError, match="all training clips of a fold are"):
        folds_of(replace(rows, labels=np.zeros(3, np.int64)), "linear_svm")


def test_a_subject_with_one_clip_is_a_fold_with_one_test_row(samples: Samples) -> None:
    assert len(folds_of(samples, "majority")["b/0#0"].truth) == 1


def test_results_carry_checkpoints_only_on_request(samples: Samples) -> None:
    chunks = chunk_plans(plan_folds(samples, CONFIG)[:1], 1)
    assert folds_of(samples, "roi_cnn", plans=chunks[0])["a/0#0"].checkpoint == {}
    settings = settings_of("roi_cnn")
    (fold,) = train_chunks(samples, chunks, "roi_cnn", settings, processes=1, checkpoints=True)
    restored = restore("roi_cnn", settings, fold.checkpoint)
    assert np.array_equal(restored.predict(samples.inputs[fold.plan.test_rows]), fold.probabilities)


def fit_slowly(
    chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None, slow: int, until: Path
) -> list[Fitted]:
    deadline = time.monotonic() + 20
    while chunk[0].seed == slow and not until.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fit(chunk, model=model, settings=settings)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_chunk_computes_in_one_thread_and_restores_the_number_of_threads(samples: Samples) -> None:
    plan, received, before = plan_folds(samples, CONFIG)[0], [], torch.get_num_threads()

    def count(chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None) -> list[Fitted]:
        received.append(torch.get_num_threads())
        return fit(chunk, model=model, settings=settings, watch=watch)

    def fail(chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None) -> list[Fitted]:
        raise KeyError

    train_chunk(samples, (plan,), "majority", settings_of("majority"), fit=count)
    assert (received, torch.get_num_threads()) == ([1], before)
    with pytest.raises(KeyError):
        train_chunk(samples, (plan,), "majority", settings_of("majority"), fit=fail)
    assert torch.get_num_threads() == before


def test_an_unfinished_chunk_is_trained_again_as_a_whole_and_a_finished_one_is_read(
    samples: Samples, tmp_path: Path
) -> None:
    rows, cache, settings = numbered(samples), FoldCache(tmp_path, "key"), settings_of("majority")
    plans = plan_folds(rows, CONFIG)[:3]
    chunks = [(plans[0],), (plans[1], plans[2])]
    for fold in train_chunks(rows, chunks, "majority", settings, processes=1, cache=cache):
        stored = cache.read(fold.plan)
        assert stored is not None
        assert np.array_equal(stored.probabilities, fold.probabilities)
    (path,) = tmp_path.glob("key/*1#0.npz")
    path.unlink()
    recorder = Recorder()
    folds = [*train_chunks(rows, chunks, "majority", settings, processes=1, cache=cache, fit=recorder)]
    assert [fold.plan.name for fold in folds] == [plan.name for plan in plans]
    assert [seed for seed, _ in recorder.received] == [plans[1].seed, plans[2].seed]
    assert path.exists()


def test_folds_are_grouped_by_the_models_chunk_size(samples: Samples) -> None:
    sizes = []

    def record(chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None) -> list[Fitted]:
        sizes.append(len(chunk))
        return fit(chunk, model=model, settings=settings, watch=watch)

    settings = TinySettings(epochs=1, ensemble_size=2)  # eight networks train side by side
    folds = [*train_folds(samples, plan_folds(samples, CONFIG), tiny(), settings, processes=1, fit=record)]
    assert sizes == [3, 4]
    assert len(folds) == 7
