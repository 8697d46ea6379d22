"""A packed model as MLflow takes it: a pyfunc from code, with the package beside it, and no pickle anywhere."""

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

_PACKAGE = Path(__file__).parent.parent
_NEEDED = (  # what the packaged code imports; a test compares
    "mlflow",
    "numpy",
    "opencv-python",
    "pandas",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
    "torch",
)


def save_model(folder: Path, bundle: Path, classes: Sequence[str], example: Mapping[str, Any]) -> None:
    """Write a model to a folder that is not there yet: the bundle, the code that reads it, what it needs and takes.

    Args:
        bundle: the folder that `write_bundle` wrote.
        example: a row of input.
    """
    logging.getLogger(pyfunc.__name__).setLevel(logging.WARNING)  # it tells of each step
    pyfunc.save_model(
        folder,
        python_model=str(_PACKAGE / "inference" / "serve.py"),
        artifacts={"bundle": str(bundle)},
        code_paths=[str(_PACKAGE)],
        pip_requirements=requirements(),
        signature=make_signature(classes),
        input_example=pd.DataFrame([dict(example)]),
    )


def requirements() -> list[str]:
    """The exact packages that a packed model runs on, without what says which build they are of."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _NEEDED]


def make_signature(classes: Sequence[str]) -> ModelSignature:
    """Input and output of a packed model by name and type."""
    optional = {"onset": DataType.long, "apex": DataType.long, "offset": DataType.long, "fps": DataType.double}
    inputs = [
        ColSpec(DataType.string, "clip"),
        *(ColSpec(kind, name, required=False) for name, kind in optional.items()),
    ]
    outputs = [ColSpec(DataType.string, "label"), *(ColSpec(DataType.double, f"p_{name}") for name in classes)]
    return ModelSignature(inputs=Schema([*inputs]), outputs=Schema([*outputs]))
