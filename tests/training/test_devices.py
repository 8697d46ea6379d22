"""Training on another device than the processor.

This machine may have no graphics processor. The device `meta` takes its place: tensors on it have no numbers.
`OneDevice` refuses operations on tensors of two devices, as a graphics processor does.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from microfacial.evaluation import folds as folds_module
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.folds import FitChunk, train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.result_tables import audit_row
from microfacial.models import MODELS
from microfacial.models.base import Network
from microfacial.models.lookup import Model
from microfacial.records import Fitted, Samples
from microfacial.settings import Section
from microfacial.training import fit as fit_module
from microfacial.training.augmentation import InputLayout, augment
from microfacial.training.fit import Watch, arithmetic, chunk_size, fit
from microfacial.training.fitted_network import FittedNetwork
from microfacial.training.lanes import prepare_lane
from microfacial.training.lockstep import Lockstep
from microfacial.training.one_thread import repeatable
from networks import TinySettings, tiny, training_data_without

WINDOWS = ("onset>apex", "onset>rise", "rise>apex", "apex>fall", "fall>offset")


class OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuse operations on tensors of two devices, as a graphics processor does. Only copies may have two devices."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.dim()]
        devices = {tensor.device.type for tensor in tensors}
        assert len(devices) <= 1 or function.overloadpacket in (torch.ops.aten.copy_, torch.ops.aten._to_copy), function
        return function(*args, **(kwargs or {}))


@pytest.fixture
def one_device() -> Iterator[None]:
    with OneDevice():  # type: ignore[no-untyped-call]
        yield


@pytest.mark.usefixtures("one_device")
def test_two_devices_in_one_operation_are_refused() -> None:
    with pytest.raises(AssertionError, match="add"):
        torch.ones(2).to("meta") + torch.ones(2)


@pytest.mark.parametrize(
    ("setting", "value", "numbers"),
    [("shift_px", 2, 2), ("window_jitter", 0.2, 3), ("mixup_alpha", 0.4, 1), ("flip", 1, 1)],
)
@pytest.mark.parametrize("windows", [WINDOWS, ("onset>apex",)])
@pytest.mark.usefixtures("one_device")
def test_augmentation_computes_on_the_device_of_its_inputs(
    windows: tuple[str, ...], setting: str, value: float, numbers: int
) -> None:
    if setting == "window_jitter" and len(windows) == 1:
        numbers = 1  # a window without neighbours has one border to move
    inputs, targets = torch.ones(2, 3, len(windows), 2, 3, 8, 8), torch.ones(2, 3, 4)
    settings = TinySettings().model_copy(update={setting: value})
    layout = InputLayout(shows="motion", windows=windows, mirror=(1, 0))
    moved, kept = augment(inputs.to("meta"), targets.to("meta"), torch.rand(2, 3, numbers), settings, layout)
    assert (moved.device.type, kept.device.type, moved.shape) == ("meta", "meta", inputs.shape)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("model", ["tiny", "hybrid", "ststnet", "roi_cnn", "roi_transformer"])
def test_a_step_of_training_stays_on_the_device(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, one_device: None, model: str, lanes: int
) -> None:
    variant = tiny() if model == "tiny" else MODELS[model]
    assert isinstance(variant, Network)
    settings = variant.settings(batch_size=4)
    data = training_data_without(inputs_for(samples, model), "b/0", 0)
    inputs = torch.from_numpy(data.samples.inputs).to("meta")
    casts: list[str] = []

    def autocast(device: str, *_: object, **__: object) -> AbstractContextManager[None]:
        casts.append(device)
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)  # it does not know this device, and neither does AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda rows, **_: torch.optim.SGD(rows))
    prepared = [prepare_lane(variant, data, 0, settings, inputs) for _ in range(lanes)]
    lockstep = Lockstep(prepared, settings, InputLayout(shows="motion"))
    rows, targets = lockstep._gather(torch.zeros(lanes, 4, dtype=torch.int64))
    keys = lockstep._dropout_keys(np.zeros((1, lanes), dtype=np.int64))[0]
    lockstep._stack.set_training(True)
    losses = lockstep._compute_gradients(rows, targets, torch.ones(lanes, 4, device="meta"), keys)
    predicted = lockstep._stack.predict(rows)
    tensors = (losses, lockstep.weights, lockstep._gradients, rows, targets, keys, predicted)
    assert {tensor.device.type for tensor in tensors} == set(casts) == {"meta"}
    assert predicted.shape == (lanes, 4, 3)


def inputs_for(samples: Samples, model: str) -> Samples:
    """Return samples with inputs of the shape that a model needs, and classes that the prior knows."""
    shapes = {
        "hybrid": (3, 4, 3, 14, 14),
        "ststnet": (3, 28, 28),
        "roi_cnn": (4, 3, 14, 14),
        "roi_transformer": (4, 4, 3, 14, 14),
    }
    shape = shapes.get(model, samples.inputs.shape[1:])
    random = np.random.default_rng(0)
    return replace(
        samples,
        inputs=random.normal(size=(len(samples.labels), *shape)).astype(np.float32),
        active=np.zeros((len(samples.labels), 4), dtype=np.bool_),
        classes=("happiness", "disgust", "surprise"),
    )


def test_a_fold_records_the_device_that_trained_it(samples: Samples, tmp_path: Any) -> None:
    (fitted,) = fit([training_data_without(samples, "b/0", 0)], model=tiny(), settings=TinySettings(epochs=1))
    assert isinstance(fitted, FittedNetwork)
    assert fitted.device == "cpu"
    (plan,) = plan_folds(samples, TrainConfig(protocol="holdout", holdout=("b/0",)))
    (fold,) = train_folds(samples, [plan], tiny(), TinySettings(epochs=1), processes=1)
    assert fold.device == "cpu"
    other = replace(fold, device="cuda")
    FoldCache(tmp_path, "key").write(other)
    stored = FoldCache(tmp_path, "key").read(plan)
    assert stored is not None
    assert stored.device == "cuda"
    assert audit_row(other, samples)["device"] == "cuda"
    assert "device" not in audit_row(fold, samples)  # files of the processor stay as they were


class _Recorder:
    """A `fit` that records its device and the number of its folds, and trains on the processor."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def __call__(
        self,
        chunk: Any,
        *,
        model: Model,
        settings: Section,
        watch: Watch | None,
        device: str = "cpu",
    ) -> list[Fitted]:
        self.calls.append((device, len(chunk)))
        return fit(chunk, model=model, settings=settings, watch=watch)


def test_all_folds_of_all_repetitions_train_together_on_a_device(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "device_memory", lambda device: 80 * 2**30)
    monkeypatch.setattr(folds_module, "repeatable", lambda device: repeatable("cpu"))
    plans = plan_folds(samples, TrainConfig(protocol="composite", repeats=2))
    recorder = _Recorder()
    fit_chunk: FitChunk = recorder
    settings = TinySettings(epochs=1)
    folds = list(train_folds(samples, plans, tiny(), settings, processes=8, fit=fit_chunk, device="cuda"))
    assert recorder.calls == [("cuda", len(plans))]  # in this process
    alone = {f.plan.key: f for f in train_folds(samples, plans, tiny(), settings, processes=1)}
    assert all(np.array_equal(fold.probabilities, alone[fold.plan.key].probabilities) for fold in folds)


@pytest.mark.parametrize(("memory", "folds"), [(2**40, 1024), (2**26, 5), (1, 1)])
def test_the_memory_of_a_device_limits_the_folds(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, memory: int, folds: int
) -> None:
    """25 rows of 6 kB and 64 times a batch of 16 need 6.4 MB a fold, and half of the memory is used."""
    monkeypatch.setattr(fit_module, "device_memory", lambda device: memory)
    assert chunk_size(tiny(), TinySettings(), samples, "cuda") == folds
    assert chunk_size(replace(tiny(), vmaps=False), TinySettings(), samples, "cuda") == 8


def test_folds_of_another_device_have_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(fit_module, "describe_device", lambda device: "Test GPU 3000")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert arithmetic(TinySettings(precision="auto"), "cuda")["precision"] == "bfloat16"
    assert arithmetic(TinySettings(), "cuda")["device"] == "Test GPU 3000"
    keys = {
        device: fold_key("f", "c", TrainConfig(device=device), "mlp", TinySettings(), ("x", "y"))
        for device in ("cpu", "cuda", "auto")
    }
    assert keys["cuda"] == keys["auto"] != keys["cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fold_key("f", "c", TrainConfig(device="auto"), "mlp", TinySettings(), ("x", "y")) == keys["cpu"]


def test_networks_move_to_a_device_and_back(samples: Samples) -> None:
    (fitted,) = fit([training_data_without(samples, "b/0", 0)], model=tiny(), settings=TinySettings(epochs=1))
    assert isinstance(fitted, FittedNetwork)
    assert np.array_equal(fitted.to("cpu").predict(samples.inputs), fitted.predict(samples.inputs))
    assert fitted.to("meta").device == "meta"


def test_results_on_a_device_are_repeatable_and_the_switches_come_back() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with repeatable("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.allow_tf32
    assert torch.are_deterministic_algorithms_enabled() == before
