"""Evaluation of users' own networks and classifiers, and of wrong ones."""

import logging
import re
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor, nn

import microfacial as mf
from microfacial.api.features import Features
from microfacial.api.own_models import make_variant
from microfacial.errors import ConfigError, ProtocolError
from microfacial.evaluation.planned import plan_training
from microfacial.evaluation.protocols import TrainConfig
from microfacial.models import MODELS
from microfacial.models.layers.parts import PartNetwork
from microfacial.records import TrainingData
from microfacial.training.fit import Predict, fit, restore

Shape = tuple[int, ...]


def run(model: Any, features: Features, **arguments: Any) -> mf.Result:
    arguments = {"validation_folds": 3, "bootstrap_draws": 100, "processes": 1, "progress": False, **arguments}
    return mf.evaluate(model, features, **arguments)


def small(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(int(np.prod(shape)), classes))


def test_a_function_trains_like_a_model_with_the_same_folds_and_seeds(features: Features) -> None:
    settings = {"input_px": 14, "epochs": 3, "early_stopping": True}
    own = run(small, features, repeats=2, settings=settings)
    named = run("mlp", features, repeats=2, settings=settings)
    for fold, other in zip(own.folds, named.folds, strict=True):
        assert (fold.plan.key, fold.plan.seed) == (other.plan.key, other.plan.seed)
        assert np.array_equal(fold.plan.test_rows, other.plan.test_rows)
        assert np.array_equal(fold.plan.validation_fold, other.plan.validation_fold)
        assert len(fold.history.validation_loss) >= 1
    assert own.evaluation.model == "small"
    again = run(small, features, repeats=2, settings=settings)
    assert np.array_equal(own.predictions.probabilities, again.predictions.probabilities)
    assert not np.array_equal(own.predictions.probabilities[0], own.predictions.probabilities[1])


def test_labels_of_a_test_subject_do_not_change_its_predictions(features: Features) -> None:
    tested = features.clips.clips[0].person
    changed = tuple(
        replace(clip, label="disgust" if clip.label != "disgust" else "surprise") if clip.person == tested else clip
        for clip in features.clips
    )
    corrupted = replace(features, clips=replace(features.clips, clips=changed))
    for model, settings in ((small, {"epochs": 2}), (LogisticRegression(), {})):
        honest, other = (run(model, rows, settings={"input_px": 8, **settings}) for rows in (features, corrupted))
        rows = honest.predictions.subjects == tested
        assert np.array_equal(honest.predictions.probabilities[:, rows], other.predictions.probabilities[:, rows])


def with_batch_norm(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(shape[0]), nn.Flatten(), nn.LazyLinear(classes))


def test_batch_normalisation_keeps_the_statistics_of_the_chosen_epoch(features: Features) -> None:
    variant = make_variant(with_batch_norm)[1]
    settings = variant.settings.model_validate(
        {
            "input_px": 8,
            "epochs": 6,
            "early_stopping": True,
            "learning_rate": 0.05,
            "patience": 2,
            "test_time_flip": False,
        }
    )
    planned = plan_training(
        variant, settings, TrainConfig(validation_folds=3), features.store, features.clips.clips, features.clips.classes
    )
    plan = planned.plans[0]
    data = TrainingData(
        samples=planned.samples.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed
    )
    observed = {}

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        observed[epoch] = predict(planned.samples.inputs)

    (fitted,) = fit([data], model=variant, settings=settings, watch=watch)
    chosen = int(fitted.chosen.removeprefix("epoch "))
    assert chosen < max(observed)
    assert np.array_equal(fitted.predict(planned.samples.inputs), observed[chosen])
    arrays = fitted.checkpoint()
    assert (arrays["network.0.num_batches_tracked"] == chosen).all()
    assert np.array_equal(restore(variant, settings, arrays).predict(planned.samples.inputs), observed[chosen])


class TwoParts(PartNetwork):
    """A network of two parts with lazy layers, whose buffers do not exist before the first pass."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.LazyBatchNorm2d(), nn.Flatten(), nn.Dropout(0.1), nn.LazyLinear(classes))
        self.second = nn.Sequential(nn.Flatten(), nn.Linear(192, classes))

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.stack([self.first(x), self.second(x)], dim=1)
        return parts if self.returns_parts else parts.sum(dim=1)


def test_a_network_of_parts_with_lazy_layers_is_trained(features: Features) -> None:
    settings = {"input_px": 8, "epochs": 1, "precision": "bfloat16"}
    assert run(lambda _, classes: TwoParts(classes), features, settings=settings).folds


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [("face", (3, 8, 8)), ("regions", (3, 3, 8, 8)), ("windows", (4, 3, 3, 8, 8)), ("apex", (3, 8, 8))],
)
def test_a_function_gets_the_shape_of_its_inputs_and_the_number_of_classes(
    features: Features, inputs: str, shape: Shape
) -> None:
    received = set()

    def build(shape: Shape, classes: int) -> nn.Module:
        received.add((shape, classes))
        return small(shape, classes)

    run(build, features, settings={"inputs": inputs, "input_px": 8, "epochs": 1})
    assert received == {(shape, 4)}


def test_a_classifier_is_fitted_on_flat_training_rows_only(features: Features) -> None:
    result = run(make_pipeline(StandardScaler(), LogisticRegression()), features, settings={"input_px": 8})
    inputs = MODELS["mlp"].make_inputs(features.store, MODELS["mlp"].settings.model_validate({"input_px": 8})).values
    labels = np.array([features.clips.classes.index(clip.label) for clip in features.clips])
    plan = result.folds[0].plan
    expected = make_pipeline(StandardScaler(), LogisticRegression())
    expected.fit(inputs[plan.training_rows].reshape(len(plan.training_rows), -1), labels[plan.training_rows])
    probabilities = expected.predict_proba(inputs[plan.test_rows].reshape(len(plan.test_rows), -1))
    assert np.allclose(result.folds[0].probabilities[:, expected.classes_], probabilities)
    assert result.evaluation.model == "LogisticRegression"
    assert result.folds[0].probabilities.shape[1] == 4


def test_unset_random_states_get_the_seed_of_the_fold_and_others_are_kept(features: Features) -> None:
    settings = {"input_px": 8}
    first, second = (run(ExtraTreesClassifier(3), features, repeats=2, settings=settings).predictions for _ in range(2))
    assert np.array_equal(first.probabilities, second.probabilities)
    assert not np.array_equal(first.probabilities[0], first.probabilities[1])
    fixed = run(ExtraTreesClassifier(3, random_state=0), features, repeats=2, settings=settings)
    assert fixed.evaluation.repeats == 1


class Drawing(BaseEstimator):  # type: ignore[misc]
    """A classifier that draws from NumPy's global generator to fit and to predict."""

    def fit(self, inputs: Any, labels: Any) -> "Drawing":
        self.classes_, self.weights_ = np.unique(labels), np.random.rand(len(inputs))
        return self

    def predict_proba(self, inputs: Any) -> Any:
        return np.random.dirichlet(1 + self.weights_[: len(self.classes_)], len(inputs))


def test_draws_from_the_global_generator_have_the_seed_of_the_fold(features: Features) -> None:
    before = np.random.get_state(legacy=False)
    first, same, other = (
        run(Drawing(), features, seed=seed, settings={"input_px": 8}).predictions.probabilities for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


class Splitting(BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities depend on the rows that a splitter chooses."""

    def __init__(self, splitter: Any) -> None:
        self.splitter = splitter

    def fit(self, inputs: Any, labels: Any) -> "Splitting":
        self.classes_, self.rows_ = np.unique(labels), next(self.splitter.split(inputs))[1]
        return self

    def predict_proba(self, inputs: Any) -> Any:
        return np.random.default_rng(self.rows_).dirichlet(np.ones(len(self.classes_)), len(inputs))


@pytest.mark.parametrize(
    ("splitter", "repeats"),
    [
        (KFold(3, shuffle=True), 2),
        (ShuffleSplit(1), 2),
        (KFold(3, shuffle=True, random_state=1), 1),
        (KFold(3), 1),
    ],
)
def test_splitters_that_shuffle_get_the_seed_of_the_fold(features: Features, splitter: Any, repeats: int) -> None:
    first, second = (run(Splitting(splitter), features, repeats=2, settings={"input_px": 8}) for _ in range(2))
    assert first.evaluation.repeats == repeats
    probabilities = first.predictions.probabilities
    assert np.array_equal(probabilities, second.predictions.probabilities)
    assert not any(np.array_equal(probabilities[0], other) for other in probabilities[1:])


def test_a_search_can_keep_subjects_together_and_its_choice_is_recorded(features: Features) -> None:
    search = GridSearchCV(DummyClassifier(), {"strategy": ["prior", "uniform"]}, cv=GroupKFold(2))
    result = run(search, features, settings={"input_px": 8})
    assert all(fold.chosen.startswith("strategy=") for fold in result.folds)


class Constant(nn.Module):
    def __init__(self, output: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.output = output

    def forward(self, x: Tensor) -> object:
        return self.output(x)


class Uncopied(DummyClassifier):  # type: ignore[misc]
    """A classifier whose copy has other parameters."""

    def __init__(self, strategy: str = "prior") -> None:
        super().__init__(strategy=[strategy])


class Shared(nn.Module):
    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight


def fails_for_some(shape: Shape, classes: int) -> nn.Module:
    def answer(inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) != 2:
            raise KeyError("two rows")
        return inputs.new_zeros(2, classes)

    return Constant(answer)


KEPT: list[nn.Module] = []


def reused(shape: Shape, classes: int) -> nn.Module:
    KEPT[:] = KEPT or [small(shape, classes)]
    return KEPT[0]


def shared_backbone(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(reused(shape, classes), nn.Linear(classes, classes))


def copied(shape: Shape, classes: int) -> nn.Module:
    """Return a network with the weights of an earlier one."""
    network = small(shape, classes)
    network.load_state_dict(reused(shape, classes).state_dict())
    return network


def missing(shape: Shape, classes: int) -> nn.Module:
    raise FileNotFoundError("no weights.pt")


def frozen(shape: Shape, classes: int) -> nn.Module:
    network = small(shape, classes)
    next(network.parameters()).requires_grad = False
    return network


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda shape, classes: Constant(lambda x: x.new_zeros(len(x), classes + 1)), r"\(2, 5\).*\(2, 4\)"),
        (lambda shape, classes: Constant(lambda x: x.new_zeros(classes)), r"\(4,\)"),
        (lambda shape, classes: Constant(lambda x: x.new_full((len(x), classes), torch.nan)), "finite"),
        (lambda shape, classes: Constant(lambda x: [1, 2]), "list"),
        (lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(7, classes)), r"2, 3, 8, 8"),
        (lambda shape, classes: 3, "int"),
        (lambda shape, classes: nn.Flatten(), "no parameters"),
        (lambda shape, classes: small(shape, classes).double(), "float64"),
        (lambda shape: small(shape, 4), "two arguments"),
        (Shared, "share"),
        (frozen, "frozen"),
        (fails_for_some, "KeyError: 'two rows'"),
        (missing, r"FileNotFoundError: no weights\.pt"),
        (reused, "same weights"),
        (shared_backbone, "same weights"),
        (copied, "equal weights"),
        (nn.Linear(3, 3), "Linear"),
        (LogisticRegression, r"LogisticRegression\(\)"),
        (LinearSVC(), "LinearSVC.*predict_proba"),
        (Uncopied(), "Uncopied cannot be copied"),
        (3, "int"),
    ],
)
def test_a_model_that_cannot_be_evaluated_gives_one_clear_error(features: Features, build: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as raised:
        run(build, features, settings={"input_px": 8} if callable(build) or isinstance(build, BaseEstimator) else None)
    assert "\n" not in str(raised.value)


def count_equal_weights(
    build: Any, features: Features, caplog: pytest.LogCaptureFixture, runs: int = 1
) -> list[tuple[int, int]]:
    """Return the numbers of equal tensors and of all tensors in each warning."""
    caplog.clear()
    for _ in range(runs):
        run(build, features, settings={"input_px": 8, "epochs": 1})
    found = [re.search(r"(\d+) of (\d+) tensors", record.getMessage()) for record in caplog.records]
    return [(int(match[1]), int(match[2])) for match in found if match]


def test_each_evaluation_warns_once_of_weights_that_are_the_same_in_every_fold(
    features: Features, caplog: pytest.LogCaptureFixture
) -> None:
    def pretrained(shape: Shape, classes: int) -> nn.Module:
        network = small(shape, classes)
        first = next(network.parameters())
        nn.init.eye_(first.data.view(first.shape[0], -1))
        return network

    assert count_equal_weights(pretrained, features, caplog, runs=2) == [(1, 2), (1, 2)]
    assert not count_equal_weights(small, features, caplog)


TRAINED = nn.Linear(192, 4)


class Holding(nn.Module):
    """A network with new weights, and other numbers in an attribute or a buffer."""

    table: Tensor | None

    def __init__(self, classes: int, held: Any = None, buffer: Tensor | None = None) -> None:
        super().__init__()
        self.head = nn.Linear(192, classes)
        self.held = held
        self.register_buffer("table", buffer, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x.flatten(1))
        if self.table is not None:
            self.table.add_(1)
        return logits


@pytest.mark.parametrize(
    ("hold", "counts"),
    [
        (lambda: {"buffer": TRAINED.weight.detach().clone()}, [(1, 3)]),
        (lambda: {"held": [deepcopy(TRAINED)]}, [(2, 4)]),
        (lambda: {"held": {"a": (SimpleNamespace(b=deepcopy(TRAINED)),)}}, [(2, 4)]),
        (lambda: {"held": deepcopy(TRAINED).forward}, [(2, 4)]),
        (lambda: {"held": [TRAINED.weight.detach()]}, [(1, 3)]),
        (lambda: {"held": TRAINED.weight.detach().numpy()}, [(1, 3)]),
        (lambda: {"held": [nn.Linear(4, 4)], "buffer": torch.randn(3)}, []),
        (lambda: {"held": [3, "x", np.arange(3)], "buffer": torch.ones(3)}, []),
    ],
)
def test_fixed_numbers_in_buffers_and_attributes_are_counted_too(
    features: Features,
    caplog: pytest.LogCaptureFixture,
    hold: Callable[[], dict[str, Any]],
    counts: list[tuple[int, int]],
) -> None:
    state = torch.get_rng_state()
    assert count_equal_weights(lambda _, classes: Holding(classes, **hold()), features, caplog) == counts
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_hidden_in_a_list_is_new_in_each_fold(features: Features) -> None:
    with pytest.raises(ConfigError, match="same weights"):
        run(lambda _, classes: Holding(classes, [TRAINED]), features, settings={"input_px": 8, "epochs": 1})


class Training(nn.Module):
    """A network whose output is changed in training."""

    def __init__(self, change: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.head, self.change = nn.Linear(192, 4), change

    def forward(self, x: Tensor) -> object:
        logits = self.head(x.flatten(1))
        return self.change(logits) if self.training else logits


def change_in_place(logits: Tensor) -> Tensor:
    exponentials = logits.exp()
    product = exponentials * 2
    exponentials += 1
    return product


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda *_: Training(lambda logits: (logits, logits)), "tuple"),
        (lambda *_: Training(lambda logits: logits[:, :2]), r"\(1, 2\).*\(1, 4\)"),
        (lambda *_: Training(lambda logits: {0: 0}[len(logits)]), r"\(1, 3, 8, 8\): KeyError: 1"),
        (lambda *_: Training(torch.Tensor.detach), "gradient"),
        (lambda *_: Training(change_in_place), "RuntimeError.*inplace"),
        (lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4)), "ValueError.*more than 1"),
        (lambda *_: torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(192, 4))), "RuntimeError.*Jitted"),
        (lambda *_: nn.DataParallel(nn.Sequential(nn.Flatten(), nn.Linear(192, 4))), "RuntimeError.*DataParallel"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_network_that_fails_in_training_gives_one_clear_error(features: Features, build: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=f"lambda>: .*{named}") as raised:
        run(build, features, settings={"input_px": 8, "epochs": 1, "batch_size": 1})
    assert "\n" not in str(raised.value)


class Scarce(nn.Module):
    """A network that fails for three clips, which are the clips of a test subject."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(192, 4)

    def forward(self, x: Tensor) -> object:
        return self.head(x.flatten(1)) if self.training or len(x) != 3 else dict[str, int]()["no\nclips"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_network_that_fails_in_a_fold_gives_one_clear_error(features: Features, processes: int) -> None:
    with pytest.raises(ConfigError, match=r"lambda>: .*fold: KeyError: 'no") as raised:
        run(lambda *_: Scarce(), features, settings={"input_px": 8, "epochs": 1}, processes=processes)
    assert "\n" not in str(raised.value)


class Careless(BaseEstimator):  # type: ignore[misc]
    """A classifier that returns given values for each row."""

    def __init__(self, returned: Any = None) -> None:
        self.returned = returned

    def fit(self, inputs: Any, labels: Any) -> "Careless":
        if self.returned is None:
            raise ValueError("no\nfit")
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, inputs: Any) -> Any:
        value = self.returned
        return np.full((len(inputs), len(self.classes_) + (value == "wide")), np.nan if value == "nan" else 0.3)


@pytest.mark.parametrize(("returned", "named"), [(None, "no fit"), ("nan", "NaN"), ("wide", r"\d, \d"), ("0.3", "NaN")])
def test_a_classifier_that_fails_gives_one_clear_error(features: Features, returned: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=f"Careless.*{named}"):
        run(Careless(returned), features, settings={"input_px": 8})


class Text(str):
    """A text that is the same in a KeyError, which shows its key by repr."""

    __repr__ = str.__str__


@pytest.mark.parametrize("error", [ValueError, IndexError, TypeError, KeyError, AttributeError, AssertionError])
@pytest.mark.parametrize("method", ["fit", "predict_proba"])
def test_a_classifier_that_raises_an_error_gives_one_line(
    features: Features, monkeypatch: pytest.MonkeyPatch, method: str, error: type[Exception]
) -> None:
    def fail(*_: Any) -> None:
        raise error(Text("wrong\nrows"))

    monkeypatch.setattr(Careless, method, fail)
    with pytest.raises(ConfigError, match=rf"Careless.*{error.__name__}: wrong rows$"):
        run(Careless("0.25"), features, settings={"input_px": 8})


ROWS = np.random.default_rng(0).normal(size=(12, 192))
SCALER = StandardScaler().fit(ROWS)
FITTED = LogisticRegression().fit(ROWS, np.arange(12) % 3)


def scale_each(rows: Any) -> Any:
    return np.concatenate([SCALER.transform(row[None]) for row in rows])


def scale_with(scaler: Any) -> Any:
    return lambda rows: scaler.transform(rows)


class Scaling:
    """A callable object that contains itself and a scaler."""

    def __init__(self, scaler: Any) -> None:
        self.scaler, self.itself = scaler, self

    def __call__(self, rows: Any) -> Any:
        return self.scaler.transform(rows)


class ScalingByGlobal(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, rows: Any, labels: Any) -> "ScalingByGlobal":
        return self

    def transform(self, rows: Any) -> Any:
        return SCALER.transform(rows)


class ScalingItself(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer with an attribute that has the name of a global object."""

    def fit(self, rows: Any, labels: Any) -> "ScalingItself":
        self.SCALER = StandardScaler().fit(rows)
        return self

    def transform(self, rows: Any) -> Any:
        return self.SCALER.transform(rows)


class ScalingByClass:
    scaler = SCALER


def scale_by_class(rows: Any) -> Any:
    return ScalingByClass.scaler.transform(rows)


HELPERS = ModuleType("helpers")
vars(HELPERS)["scaler"] = SCALER
LOG = logging.getLogger("own transformer")
vars(LOG)["scaler"] = SCALER


def log_each(rows: Any) -> Any:
    LOG.debug("%d rows", len(rows))
    return rows


@cache
def find_scaler() -> Any:
    return SCALER


@dataclass(slots=True)
class Slot:
    scaler: Any


def ignore(rows: Any, scaler: Any) -> Any:
    return rows


def with_argument(scaler: Any) -> Any:
    return make_pipeline(FunctionTransformer(ignore, kw_args={"scaler": scaler}), LogisticRegression())


@pytest.mark.parametrize(
    ("classifier", "named"),
    [
        (FrozenEstimator(FITTED), "FrozenEstimator"),
        (make_pipeline(FrozenEstimator(SCALER), LogisticRegression()), "FrozenEstimator"),
        (CalibratedClassifierCV(FrozenEstimator(FITTED)), "FrozenEstimator"),
        (VotingClassifier([("a", make_pipeline(FrozenEstimator(SCALER), FITTED))], voting="soft"), "FrozenEstimator"),
        (
            GridSearchCV(make_pipeline(StandardScaler(), FITTED), {"standardscaler": [FrozenEstimator(SCALER)]}),
            "FrozenEstimator",
        ),
        (make_pipeline(FunctionTransformer(SCALER.transform), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(partial(SCALER.transform)), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(partial(np.add, SCALER)), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(lambda rows: SCALER.transform(rows)), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(scale_each), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(scale_with(SCALER)), FITTED), "StandardScaler"),
        (TunedThresholdClassifierCV(FITTED, cv="prefit", refit=False), "cv"),
        (make_pipeline(SelectFromModel(FITTED, prefit=True), LogisticRegression()), "prefit"),
        (make_pipeline(FunctionTransformer(Scaling(SCALER)), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(scale_by_class), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(lambda rows: find_scaler().transform(rows)), FITTED), "StandardScaler"),
        (make_pipeline(ScalingByGlobal(), FITTED), "StandardScaler"),
        (make_pipeline(FunctionTransformer(lambda rows: HELPERS.scaler.transform(rows)), FITTED), "StandardScaler"),
        (with_argument(np.array([SCALER], dtype=object)), "StandardScaler"),
        (with_argument(np.array([(1, SCALER)], dtype=[("a", int), ("b", object)])), "StandardScaler"),
        (with_argument(SimpleNamespace(a=SCALER)), "StandardScaler"),
        (with_argument(Slot(SCALER)), "StandardScaler"),
        (with_argument(deque([SCALER])), "StandardScaler"),
    ],
)
def test_a_part_that_stays_fitted_is_refused(features: Features, classifier: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as raised:
        run(classifier, features, settings={"input_px": 8})
    assert "fitted" in str(raised.value)
    assert "copied" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_fitted_classifier_and_steps_that_need_no_fit_are_accepted(features: Features) -> None:
    functions = (np.abs, partial(np.clip, min=0, max=1), Scaling(Normalizer()), log_each)
    steps = make_union(Normalizer(), ScalingItself(), *map(FunctionTransformer, functions))
    for classifier in (FITTED, make_pipeline(SCALER, steps, FITTED), VotingClassifier([("a", FITTED)], voting="soft")):
        assert run(classifier, features, settings={"input_px": 8}).folds


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"model": "hybird"}, ConfigError, "hybird.*hybrid"),
        ({"protocol": "kfold"}, ConfigError, r"protocol.*loso.*kfold"),
        ({"protocol": "holdout", "holdout": ["demo/x"]}, ProtocolError, "demo/x"),
        ({"protocol": "holdout"}, ProtocolError, r"^evaluate: .*holdout=\["),
        ({"protocol": "leave-one-dataset-out"}, ProtocolError, "^evaluate: .*load_corpus"),
        ({"device": "mps"}, ConfigError, "^evaluate: device: .*mps"),
        ({"holdout": ["demo/sub01"]}, ConfigError, r"holdout.*demo/sub01.*loso"),
        ({"protocol": "composite", "holdout": ["demo/sub01"]}, ConfigError, r"holdout.*composite"),
        ({"repeats": 0}, ConfigError, "repeats"),
        ({"settings": {"epoch": 3}}, ConfigError, r"mlp\.epoch"),
        ({"settings": {"preset": "x"}}, ConfigError, r"mlp\.preset"),
        ({"settings": 3}, ConfigError, "mapping"),
        ({"name": ""}, ConfigError, "name"),
        ({"device": "tpu"}, ConfigError, r"evaluate\.device.*tpu"),
        ({"processes": 1.5}, ConfigError, "processes"),
        ({"features": "x"}, ConfigError, "str"),
    ],
)
def test_wrong_arguments_are_named(
    features: Features, arguments: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        run(arguments.pop("model", "mlp"), arguments.pop("features", features), **arguments)


def test_published_maps_have_no_frames(features: Features) -> None:
    maps = replace(features, store=replace(features.store, unit="stretched"))
    for model, settings in (("rgb", {}), (small, {"inputs": "apex"}), (DummyClassifier(), {"inputs": "apex"})):
        with pytest.raises(ConfigError, match="frames"):
            run(model, maps, settings=settings)
