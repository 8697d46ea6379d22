"""The tiny demo, computed up to its flow, one of its clips, and the answer about a film."""

import shutil
from pathlib import Path

import pytest
from drawn_films import FPS, draw_face, smile, write_film

from fake_bundles import Settings, write_fitted_bundle
from microfacial.evaluation.experiment import Data, load_data
from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import AnsweringModel, open_prior
from microfacial.inference.bundle import BUNDLE
from microfacial.inference.choose_model import open_bundle
from microfacial.inference.film_answer import FilmAnswer
from microfacial.pipeline.config import load
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
def settings(computed: Path) -> Settings:
    """The sections `faces` and `flow` of the tiny demo."""
    config = load(computed / "params.yaml")
    return config.faces, config.flow


@pytest.fixture(scope="session")
def prior() -> AnsweringModel:
    return open_prior()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 frames, in which a mouth corner moves around frame 21."""
    folder = tmp_path_factory.mktemp("answer") / "film"
    return write_film(folder, [draw_face(height) for height in smile(40, 20)]).root


@pytest.fixture(scope="session")
def answer(prior: AnsweringModel, film: Path) -> FilmAnswer:
    """The answer about `film`, with pictures."""
    return answer_film(film, prior, fps=FPS, pictures=True)


@pytest.fixture(scope="session")
def bundle(data: Data, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small model. Tests copy it."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_fitted_bundle(folder, "linear_svm", data, settings)
    return folder


@pytest.fixture(scope="session")
def version(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as MLflow fetches it for a registered version, with `bundle`. Tests copy it."""
    folder = tmp_path_factory.mktemp("served") / "version"
    shutil.copytree(bundle, folder / BUNDLE)
    (folder / "registered_model_meta").write_text("model_name: tiny.casme2-4\nmodel_version: '3'\n")
    return folder


@pytest.fixture(scope="session")
def model(version: Path) -> AnsweringModel:
    """The model of `version`."""
    return open_bundle(version, "tiny.casme2-4, version 3")
