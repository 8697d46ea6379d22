"""Bundles of models that are fitted to the tiny demo in a moment."""

from pathlib import Path

import numpy as np

from microfacial.evaluation.experiment import Data
from microfacial.inference.bundle import write_bundle
from microfacial.models import MODELS, Network
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import FloatArray, Samples, TrainingData
from microfacial.training.fit import fit

Settings = tuple[FacesConfig, FlowConfig]


def write_fitted_bundle(
    folder: Path, model: str, data: Data, settings: Settings, seeds: tuple[int, ...] = (0,)
) -> tuple[Samples, list[FloatArray]]:
    """Fit a model on all clips with each seed and write the bundle. Return the samples and each seed's predictions."""
    quick = {"epochs": 1} if isinstance(MODELS[model], Network) else {}
    section = resolve(model, quick, model)
    samples = make_samples(MODELS[model].make_inputs(data.store, section), data.store, data.clips, data.classes)
    training = [TrainingData(samples=samples, validation_fold=np.arange(12) % 2, seed=seed) for seed in seeds]
    models = fit(training, model=model, settings=section)
    sections = {
        "faces": settings[0].model_dump(mode="json"),
        "flow": settings[1].model_dump(mode="json"),
        "models": {model: section.model_dump(mode="json")},
    }
    write_bundle(folder, sections, data.classes, [fitted.checkpoint() for fitted in models])
    return samples, [fitted.predict(samples.inputs) for fitted in models]
