"""MicroFacial: honest micro-expression recognition, from raw face clips to a promoted model.

What is named in `__all__` is imported when it is first used: torch takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from microfacial.experiments import Data, load_data, run_folds, score
    from microfacial.faces import FacesConfig
    from microfacial.flow import FlowConfig
    from microfacial.models import MODELS
    from microfacial.predict import HybridInputs, TrainedModel, create_model, hybrid_inputs, load_fold, read_clip
else:
    _HOMES = {
        "Data": "experiments",
        "FacesConfig": "faces",
        "FlowConfig": "flow",
        "HybridInputs": "predict",
        "MODELS": "models",
        "TrainedModel": "predict",
        "create_model": "predict",
        "hybrid_inputs": "predict",
        "load_data": "experiments",
        "load_fold": "predict",
        "read_clip": "predict",
        "run_folds": "experiments",
        "score": "experiments",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "MODELS",
    "Data",
    "FacesConfig",
    "FlowConfig",
    "HybridInputs",
    "TrainedModel",
    "create_model",
    "hybrid_inputs",
    "load_data",
    "load_fold",
    "read_clip",
    "run_folds",
    "score",
]
