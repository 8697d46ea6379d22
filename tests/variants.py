"""Build networks and inputs of model variants for tests."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from microfacial.models import MODELS, Network, Task
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, Samples, TrainingData

MISSION = ("rgb", "flow_cnn", "roi_cnn", "roi_graph", "roi_transformer", "hybrid")
PEERS = {  # networks of the literature and the smallest network, with the shape of one sample
    "mlp": (3, 14, 14),
    "ststnet": (3, 28, 28),
    "off_apexnet": (2, 28, 28),
    "sssnet": (3, 64, 64),
    "rcn_a": (3, 60, 60),
    "htnet": (3, 28, 28),
}
K = 4  # classes
CO_OCCURRENCE = np.array(
    [[0.5, 0.4, 0.0, 0.5], [0.4, 0.4, 0.0, 0.4], [0.0, 0.0, 0.2, 0.2], [0.5, 0.4, 0.2, 0.7]], np.float32
)  # of three regions and the whole face
VARIATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in MISSION),
    ("rgb", {"backbone": "resnet18", "input_px": 32}),
    ("flow_cnn", {"backbone": "resnet18", "input_px": 32}),
    ("flow_cnn", {"depth": 2, "skip": True}),
    ("roi_cnn", {"encoder": "linear", "shared_encoder": False}),
    ("roi_cnn", {"whole_face": False, "shared_encoder": False, "skip": True}),
    ("roi_graph", {"adjacency": "action-units", "depth": 2}),
    ("roi_graph", {"encoder": "conv", "skip": True}),
    ("roi_transformer", {"windows_per_phase": 0}),
    ("roi_transformer", {"windows_per_phase": 1, "encoder": "conv", "width": 40, "heads": 2}),
    ("hybrid", {"fusion": "weights", "windows_per_phase": 1, "shared_encoder": False}),
    ("hybrid", {"fusion": "fixed", "windows_per_phase": 0, "skip": True}),
    ("hybrid", {"roi_attention": False, "whole_face": False}),
    ("hybrid", {"graph": False, "encoder": "conv"}),
    ("hybrid", {"transformer": False, "adjacency": "action-units"}),
)


def make_store(clips: int = 3, side: int = 56, windows: tuple[str, ...] = (ONSET_APEX, *PHASE_WINDOWS)) -> FaceStore:
    """Make a store of random flow and frames, with three regions."""
    random = np.random.default_rng(0)
    boxes = np.array([[4, 4, 20, 52], [2, 4, 18, 52], [30, 10, 54, 46]])
    return FaceStore(
        clips=tuple(map(str, range(clips))),
        crops=random.integers(0, 256, (clips, 2, side, side, 3), dtype=np.uint8),
        flow=random.normal(size=(clips, len(windows), 2, side, side)).astype(np.float16),
        windows=windows,
        unit="px",
        boxes=np.tile(boxes, (clips, 1, 1)),
        regions=("eyes", "eyebrows", "mouth"),
    )


def network_variant(name: str) -> Network[Any]:
    """Return a variant that is a network."""
    variant = MODELS[name]
    assert isinstance(variant, Network)
    return variant


def make_network(
    name: str, changes: dict[str, Any], store: FaceStore | None = None, seed: int = 0
) -> tuple[Any, Tensor]:
    """Build an untrained network in evaluation mode, and its inputs."""
    variant = network_variant(name)
    settings = variant.settings.model_validate(changes)
    inputs = variant.make_inputs(make_store() if store is None else store, settings).values
    regions = inputs.shape[-4] if inputs.ndim > 4 else 0
    task = Task(shape=inputs.shape[1:], classes=K, co_occurrence=CO_OCCURRENCE[:regions, :regions])
    torch.manual_seed(seed)
    return variant.build(task, settings).eval(), torch.from_numpy(inputs)


def build_peer(name: str, preset: str = "default", shape: tuple[int, ...] | None = None, **changes: Any) -> Any:
    """Build an untrained peer for three classes, as published."""
    variant = network_variant(name)
    settings = variant.settings.model_validate({**variant.presets[preset], **changes})
    no_regions = np.zeros((0, 0), dtype=np.float32)
    return variant.build(Task(shape=shape or PEERS[name], classes=3, co_occurrence=no_regions), settings)


def peer_inputs(name: str, count: int = 3) -> Tensor:
    """Return random inputs of a peer."""
    return torch.randn(count, *PEERS[name], generator=torch.Generator().manual_seed(0))


def training_data(samples: Samples, rows: int = 24) -> TrainingData:
    """Return the first rows as training data with a single validation fold."""
    return TrainingData(samples=samples.take(np.arange(rows)), validation_fold=np.zeros(rows, dtype=np.int64), seed=0)
