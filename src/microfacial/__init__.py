"""MicroFacial: honest micro-expression recognition, from raw face clips to a promoted model.

The root holds the public names and the small modules that all packages share. Everything else belongs in a package.
The names in `__all__` are imported on first use, because torch takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from microfacial.api.corpora import Clips, load_corpus
    from microfacial.api.evaluation import evaluate
    from microfacial.api.features import Features, extract, load_features
    from microfacial.api.result import ComparedResults, Result
    from microfacial.evaluation.experiment import Data, load_data, run_folds, score, score_action_units
    from microfacial.inference.networks import HybridInputs, create_model, hybrid_inputs
    from microfacial.inference.predict import TrainedModel, load_fold
    from microfacial.inference.read import read_clip
    from microfacial.models import MODELS
    from microfacial.preprocessing.faces import FacesConfig
    from microfacial.preprocessing.flow import FlowConfig
else:
    _MODULES = {
        "Clips": "api.corpora",
        "ComparedResults": "api.result",
        "Data": "evaluation.experiment",
        "FacesConfig": "preprocessing.faces",
        "Features": "api.features",
        "FlowConfig": "preprocessing.flow",
        "HybridInputs": "inference.networks",
        "MODELS": "models",
        "Result": "api.result",
        "TrainedModel": "inference.predict",
        "create_model": "inference.networks",
        "evaluate": "api.evaluation",
        "extract": "api.features",
        "hybrid_inputs": "inference.networks",
        "load_corpus": "api.corpora",
        "load_data": "evaluation.experiment",
        "load_features": "api.features",
        "load_fold": "inference.predict",
        "read_clip": "inference.read",
        "run_folds": "evaluation.experiment",
        "score": "evaluation.experiment",
        "score_action_units": "evaluation.experiment",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "MODELS",
    "Clips",
    "ComparedResults",
    "Data",
    "FacesConfig",
    "Features",
    "FlowConfig",
    "HybridInputs",
    "Result",
    "TrainedModel",
    "create_model",
    "evaluate",
    "extract",
    "hybrid_inputs",
    "load_corpus",
    "load_data",
    "load_features",
    "load_fold",
    "read_clip",
    "run_folds",
    "score",
    "score_action_units",
]
