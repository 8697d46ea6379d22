"""Write a bundle as a model of MLflow: a pyfunc from code with a copy of this package, and no pickle."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from microfacial.source_code import OPENCV, find_installed

_PACKAGE = Path(__file__).parent.parent
_NEEDED = (  # packages that the copied code imports. A test compares them with the imports
    "joblib",
    "mlflow",
    "numpy",
    OPENCV,
    "openpyxl",
    "pandas",
    "pebble",
    "pillow",
    "psutil",
    "pydantic",
    "ruamel-yaml",
    "safetensors",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
    "torch",
)


def save_model(folder: Path, bundle: Path, classes: Sequence[str], example: Mapping[str, Any]) -> None:
    """Write a model of MLflow: a bundle, a copy of this package, the list of required packages and an example.

    Args:
        folder: folder to create. MLflow refuses a folder that has files.
        bundle: folder that `write_bundle` wrote.
        classes: names of the classes that the bundle predicts. The columns of the output are named after them.
        example: one row of input: values by the names of the columns in `make_signature`.
    """
    logging.getLogger(pyfunc.__name__).setLevel(logging.WARNING)  # it logs every step
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
    """Return the pinned packages that a bundle needs, without local version labels such as `+cpu`."""
    installed = filter(None, map(find_installed, _NEEDED))
    return [f"{name}=={version}" for name, version in installed]


def make_signature(classes: Sequence[str]) -> ModelSignature:
    """Return the names and types of a bundle's input and output.

    The input has the columns clip, frames, onset, apex, offset and fps. Their type is Any, because columns of other
    types cannot have missing values, and clips of one request can have different columns. The output has the predicted
    label, `p_<class>`, the probability of each class, and the columns reason, error and answer.

    Args:
        classes: names of the classes that the bundle predicts.
    """
    names = ("clip", "frames", "onset", "apex", "offset", "fps")
    anything = AnyType()  # type: ignore[no-untyped-call]
    inputs = [ColSpec(anything, name, required=False) for name in names]
    text = [ColSpec(DataType.string, name, required=False) for name in ("label", "reason", "error")]
    probabilities = [ColSpec(DataType.double, f"p_{name}", required=False) for name in classes]
    outputs = [text[0], *probabilities, *text[1:], ColSpec(anything, "answer", required=False)]
    return ModelSignature(inputs=Schema([*inputs]), outputs=Schema([*outputs]))
