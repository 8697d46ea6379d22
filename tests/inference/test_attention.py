"""The weights of regions in the answer of a trained model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import take_clips
from microfacial.errors import DatasetError
from microfacial.evaluation.experiment import Data
from microfacial.inference.choose_model import as_answering
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.film_page import render_film_page
from microfacial.inference.predict import TrainedModel
from microfacial.models.presets import resolve
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import FaceStore, FloatArray, History


@dataclass(frozen=True)
class Explained:
    """A fitted model with a fixed explanation."""

    arrays: Mapping[str, FloatArray]
    chosen: str = ""
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        return np.tile([0.5, 0.5], (len(inputs), 1))

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        return {}

    def explain(self, inputs: NDArray[np.float32]) -> Mapping[str, FloatArray]:
        return self.arrays


@pytest.fixture
def store(data: Data) -> FaceStore:
    return take_clips(data.store, 1)


def trained(model: str, *explanations: Mapping[str, FloatArray]) -> TrainedModel:
    return TrainedModel(
        model=model,
        classes=("x", "y"),
        settings=resolve(model, {"whole_face": False, **({"prior_share": 0.0} if model == "hybrid" else {})}, model),
        faces=FacesConfig(),
        flow=FlowConfig(),
        shape=(),
        fitted=tuple(Explained(arrays) for arrays in explanations),
    )


def first_of(regions: int, rest: float) -> FloatArray:
    """Return weights that sum to 1 in which all regions but the first share `rest`."""
    return np.array([[1 - rest, *[rest / (regions - 1)] * (regions - 1)]])


def test_branches_of_the_hybrid_count_by_their_fusion_and_models_are_averaged(store: FaceStore) -> None:
    count = len(store.regions)
    explanations = [
        {
            "fusion": np.array([[0.25, 0.75]]),
            "graph_regions": first_of(count, 0.5),
            "transformer_regions": first_of(count, rest),
            "windows": np.full((1, 4), 0.25),
            "attention": np.zeros((1, count, count)),
        }
        for rest in (0.1, 0.3)
    ]
    weights = trained("hybrid", *explanations).weigh_regions(store)
    assert tuple(weights) == store.regions
    assert weights[store.regions[0]] == pytest.approx(0.25 * 0.5 + 0.75 * 0.8)
    assert sum(weights.values()) == pytest.approx(1.0)


def test_regions_of_the_graph_count_by_the_attention_that_they_get(store: FaceStore) -> None:
    count = len(store.regions)
    explanation = {
        "fusion": np.array([[1.0, 0.0]]),
        "graph_regions": np.full((1, count), 1 / count),
        "transformer_regions": np.zeros((1, count)),
        "windows": np.zeros((1, 0)),
        "attention": np.tile(first_of(count, 0.4), (1, count, 1)),
    }
    weights = as_answering(trained("roi_graph", explanation), "a bundle", None).attention(store)
    assert weights[store.regions[0]] == pytest.approx(0.6)


@pytest.mark.parametrize("count", [0, 2])
def test_a_store_without_exactly_one_clip_has_no_weights(data: Data, count: int) -> None:
    with pytest.raises(DatasetError, match=rf"weigh_regions .*found {count}\b"):
        trained("hybrid", {}).weigh_regions(take_clips(data.store, count))


@pytest.mark.parametrize("model", ["roi_cnn", "flow_cnn"])
def test_a_model_that_cannot_explain_has_no_weights(model: str, store: FaceStore) -> None:
    plain = replace(trained("hybrid", {}), model=model, settings=resolve(model, {}, model))
    assert plain.weigh_regions(store) == {}


def test_the_page_lists_the_regions_with_the_greatest_weight_first(answer: FilmAnswer) -> None:
    event = replace(answer.events[0], attention={"mouth": 0.2, "left eye": 0.7, "nose": 0.1})
    page = render_film_page(replace(answer, events=(event,)))
    weights = page.partition("Weight of each region")[2]
    places = [weights.index(text) for text in ("left eye", "0.700", "mouth", "0.200", "nose", "0.100")]
    assert places == sorted(places)
    assert "Weight of each region" not in render_film_page(answer)
