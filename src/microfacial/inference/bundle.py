"""Write and read bundles. A bundle is a folder with a trained model: arrays and JSON, and no executable code.

    bundle.json          variant, classes, settings that read clips, and the text in the checkpoints
    weights.safetensors  the arrays of all checkpoints, by the number of the checkpoint and the name of the array

A registered version contains a bundle. Text is stored apart from the arrays, because safetensors holds numbers only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from microfacial.errors import StorageError
from microfacial.files import atomic_write, read_json, write_json
from microfacial.inference.predict import Checkpoint, TrainedModel, restore_model

BUNDLE, EVIDENCE, CARD = Path("artifacts/bundle"), Path("evidence"), Path("model_card.md")  # in a version's folder

_FACTS, _WEIGHTS = "bundle.json", "weights.safetensors"
_OLD_BUNDLE, _OLD_FACTS = Path("artifacts/pack"), "pack.json"  # names in versions from before the rename


def write_bundle(
    folder: Path, sections: Mapping[str, Any], classes: Sequence[str], checkpoints: Sequence[Checkpoint]
) -> None:
    """Write a trained model to a folder. Equal models give equal bytes.

    Args:
        folder: where to write. An existing folder is replaced.
        sections: the sections `faces`, `flow` and `models` of params.yaml, with one model, as the `train` stage writes
            them to settings.json.
        classes: names of the classes, in the order of the model's outputs.
        checkpoints: one checkpoint for each fitted model whose probabilities are averaged.
    """
    named = {f"{number}/{name}": array for number, arrays in enumerate(checkpoints) for name, array in arrays.items()}
    text = {name: array.tolist() for name, array in named.items() if array.dtype.kind == "U"}
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        facts = {"classes": list(classes), "trained_with": dict(sections), "count": len(checkpoints), "text": text}
        write_json(fresh / _FACTS, facts)
        arrays = {name: np.array(array, order="C") for name, array in named.items() if name not in text}
        save_file(arrays, fresh / _WEIGHTS)


def read_bundle(folder: Path) -> TrainedModel:
    """Read the model in a bundle. It predicts as the written model did, to the last bit on the same processor.

    Args:
        folder: a folder that `write_bundle` wrote.

    Returns:
        The model with its classes and settings.

    Raises:
        StorageError: a file is missing or damaged.
        ConfigError: another version of microfacial wrote the settings.
    """
    path = folder / (_OLD_FACTS if (folder / _OLD_FACTS).exists() else _FACTS)
    facts = read_json(path)
    try:
        arrays = load_file(folder / _WEIGHTS)
    except (FileNotFoundError, SafetensorError) as error:
        raise StorageError(f"{folder / _WEIGHTS} is missing or damaged ({error}). Register the model again") from None
    if not isinstance(facts, dict) or not {"text", "count", "trained_with", "classes"} <= facts.keys():
        raise StorageError(f"{path} is damaged. Register the model again")
    text = {name: np.array(value, dtype=np.str_) for name, value in facts["text"].items()}
    named: dict[str, NDArray[Any]] = {**arrays, **text}
    checkpoints = [
        {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}
        for prefix in (f"{number}/" for number in range(facts["count"]))
    ]
    return restore_model(facts["trained_with"], tuple(facts["classes"]), checkpoints, path)


def find_bundle(version: Path) -> Path:
    """Return the folder of the bundle in a registered version, under its present or its former name.

    Args:
        version: the folder of the version.
    """
    return version / (_OLD_BUNDLE if (version / _OLD_BUNDLE).is_dir() else BUNDLE)


def measure_weights(folder: Path) -> int:
    """Return the size of the weights in a bundle, in bytes.

    Args:
        folder: the folder of the bundle.
    """
    return (folder / _WEIGHTS).stat().st_size
