"""Write and read bundles. A bundle is a folder with a trained model: arrays and JSON, and no executable code.

    bundle.json          variant, classes, settings that read clips, and the text in the checkpoints
    weights.safetensors  the arrays of all checkpoints, by the number of the checkpoint and the name of the array
    SHA256SUMS           SHA-256 digests of both files, as `sha256sum --check` reads them

A registered version contains a bundle. Text is stored apart from the arrays, because safetensors holds numbers only.
Earlier releases wrote bundles without digests. They are still read, if all their weights are finite.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save_file

from microfacial.disk import read_content
from microfacial.errors import DamagedError, StorageError
from microfacial.files import atomic_write, read_json, refuse_damaged, write_json, write_text
from microfacial.formats import parse_weights
from microfacial.inference.predict import Checkpoint, TrainedModel, restore_model
from microfacial.inference.temperature import LIMITS

BUNDLE, EVIDENCE, CARD = Path("artifacts/bundle"), Path("evidence"), Path("model_card.md")  # in a version's folder

_FACTS, _WEIGHTS, _DIGESTS = "bundle.json", "weights.safetensors", "SHA256SUMS"
_REMEDY = "Run `microfacial register MODEL` with a trained model, then `microfacial promote --force REASON`"
_OLD_BUNDLE, _OLD_FACTS = Path("artifacts/pack"), "pack.json"  # names in versions from before the rename


@dataclass(frozen=True, kw_only=True)
class BundleFacts:
    """Content of bundle.json.

    Attributes:
        classes: names of the classes, in the order of the model's outputs.
        trained_with: the sections `faces`, `flow` and `models`, with one model.
        count: number of checkpoints.
        text: arrays of text, as lists, by the names that arrays have in the weights.
        temperature: calibrates the probabilities of films; None in bundles of earlier releases.
        digests: name of the file with digests; None in bundles of earlier releases.
    """

    classes: tuple[str, ...]
    trained_with: dict[str, Any]
    count: int
    text: dict[str, Any]
    temperature: float | None = None
    digests: Literal["SHA256SUMS"] | None = None


def write_bundle(
    folder: Path,
    sections: Mapping[str, Any],
    classes: Sequence[str],
    checkpoints: Sequence[Checkpoint],
    temperature: float | None = None,
) -> None:
    """Write a trained model to a folder. Equal models give equal bytes.

    Args:
        folder: where to write. An existing folder is replaced.
        sections: the sections `faces`, `flow` and `models` of params.yaml, with one model, as the `train` stage writes
            them to settings.json.
        classes: names of the classes, in the order of the model's outputs.
        checkpoints: one checkpoint for each fitted model whose probabilities are averaged.
        temperature: calibrates the probabilities of films; None if it is unknown.
    """
    named = {f"{number}/{name}": array for number, arrays in enumerate(checkpoints) for name, array in arrays.items()}
    text = {name: array.tolist() for name, array in named.items() if array.dtype.kind == "U"}
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        facts = {
            "classes": list(classes),
            "trained_with": dict(sections),
            "count": len(checkpoints),
            "text": text,
            "temperature": temperature,
            "digests": _DIGESTS,
        }
        write_json(fresh / _FACTS, facts)
        arrays = {name: np.array(array, order="C") for name, array in named.items() if name not in text}
        save_file(arrays, fresh / _WEIGHTS)
        lines = [f"{_digest((fresh / name).read_bytes())}  {name}\n" for name in (_FACTS, _WEIGHTS)]
        write_text(fresh / _DIGESTS, "".join(lines))


def read_bundle(folder: Path) -> TrainedModel:
    """Read the model in a bundle. It predicts as the written model did, to the last bit on the same processor.

    Args:
        folder: a folder that `write_bundle` wrote.

    Returns:
        The model with its classes and settings.

    Raises:
        StorageError: a file is missing, has another digest, or is damaged, or a weight is not finite.
        ConfigError: another version of microfacial wrote the settings.
    """
    path = folder / (_OLD_FACTS if (folder / _OLD_FACTS).exists() else _FACTS)
    digests = _read_digests(folder / _DIGESTS)
    _check_digest(path, digests)
    facts = read_json(path, BundleFacts, _REMEDY)
    if facts.digests and not digests:
        raise StorageError(f"{folder / facts.digests} is missing. {_REMEDY}")
    weights = folder / _WEIGHTS
    _check_digest(weights, digests)
    with refuse_damaged(weights, _REMEDY):
        named = parse_weights(read_content(weights))
    named |= {name: np.array(value, dtype=np.str_) for name, value in facts.text.items()}
    written = len({name.partition("/")[0] for name in named})
    if written != facts.count:
        raise StorageError(f"{path} is damaged (there are {written} checkpoints, not {facts.count}). {_REMEDY}")
    checkpoints = [
        {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}
        for prefix in (f"{number}/" for number in range(facts.count))
    ]
    if facts.temperature is not None and not LIMITS[0] <= facts.temperature <= LIMITS[1]:
        raise StorageError(f"{path} is damaged (temperature {facts.temperature}). {_REMEDY}")
    model = restore_model(facts.trained_with, facts.classes, checkpoints, path, _REMEDY)
    return replace(model, temperature=facts.temperature)


def _read_digests(path: Path) -> dict[str, str]:
    """Return the digests of files by name. They are empty for a bundle of an earlier release."""
    if not path.exists():
        return {}
    with refuse_damaged(path, _REMEDY):
        *lines, rest = read_content(path).decode("ascii", errors="replace").split("\n")
        digests = {name: value for value, _, name in (line.partition("  ") for line in lines)}
        if digests.keys() != {_FACTS, _WEIGHTS} or rest:
            raise DamagedError(f"it does not list {_FACTS} and {_WEIGHTS}")
    return digests


def _check_digest(path: Path, digests: Mapping[str, str]) -> None:
    if digests:
        with refuse_damaged(path, _REMEDY):
            if _digest(read_content(path)) != digests.get(path.name):
                raise DamagedError(f"its digest is not the one in {_DIGESTS}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
