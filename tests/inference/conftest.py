"""The tiny demo, computed up to its flow, and one of its clips."""

from pathlib import Path

import pytest

from microfacial.evaluation.experiment import Data, load_data
from microfacial.pipeline.config import load
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import Clip


@pytest.fixture(scope="session")
def data(computed: Path) -> Data:
    return load_data(computed)


@pytest.fixture(scope="session")
def clip(data: Data) -> Clip:
    return data.clips[0]


@pytest.fixture(scope="session")
def folder(computed: Path, clip: Clip) -> Path:
    """The folder with the frames of `clip`."""
    return (computed / "data" / clip.frames).parent


@pytest.fixture(scope="session")
def settings(computed: Path) -> tuple[FacesConfig, FlowConfig]:
    """The sections `faces` and `flow` of the tiny demo."""
    config = load(computed / "params.yaml")
    return config.faces, config.flow
