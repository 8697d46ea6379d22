"""Fixtures for the tests of models."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from microfacial.records import ONSET_APEX, FaceStore, Samples


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def whole_faces() -> Samples:
    """Whole faces of six subjects with four clips each, and one subject with one clip. Two subjects have class 2."""
    labels = np.array([0, 1, 0, 1] * 4 + [0, 1, 2, 2] * 2 + [0])
    inputs = np.random.default_rng(0).normal(size=(25, 3, 16, 16)).astype(np.float32)
    inputs[:, 1] += 0.1 * labels[:, None, None]
    subjects = np.array([f"a/{row // 4}" for row in range(24)] + ["b/0"])
    return Samples(
        inputs=inputs,
        labels=labels,
        subjects=subjects,
        corpora=np.array([subject[0] for subject in subjects]),
        clips=np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)]),
        active=np.zeros((25, 0), dtype=np.bool_),
        classes=("x", "y", "z"),
    )


@pytest.fixture
def onset_apex_store() -> FaceStore:
    """Random onset→apex flow of three clips, without regions."""
    random = np.random.default_rng(0)
    return FaceStore(
        clips=("a", "b", "c"),
        crops=np.zeros((3, 2, 112, 112, 3), dtype=np.uint8),
        flow=random.normal(size=(3, 1, 2, 112, 112)).astype(np.float16),
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.zeros((3, 0, 4), dtype=np.int64),
        regions=(),
    )
