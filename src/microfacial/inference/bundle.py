"""A trained model in a folder: weights as arrays, everything else as JSON, nothing that could run.

    pack.json            variant, classes, settings that clips are read by, and what is text in the checkpoints
    weights.safetensors  the arrays of all checkpoints, by number and name

A registered version holds such a folder. Text stands apart, as safetensors holds numbers only.
"""

import base64
import binascii
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from microfacial.errors import DatasetError, StorageError
from microfacial.files import atomic_write, read_json, write_json
from microfacial.inference.predict import TrainedModel, restore_model

Checkpoint = Mapping[str, NDArray[Any]]
PACK, EVIDENCE, CARD = Path("artifacts/pack"), Path("evidence"), Path("model_card.md")  # in a version's folder

_FACTS, _WEIGHTS = "pack.json", "weights.safetensors"
_ENDINGS = {b"RIFF": ".avi", b"GIF8": ".gif", b"\x89PNG": ".png"}  # by what a file begins with
_MP4_BRAND = b"ftyp"  # at byte 4
_SHOWN = 60  # characters of what was sent


def write_pack(
    folder: Path, trained_with: Mapping[str, Any], classes: Sequence[str], checkpoints: Sequence[Checkpoint]
) -> None:
    """Write a model; equal models are equal bytes.

    Args:
        trained_with: sections `faces`, `flow` and `models`, with one model, as the `train` stage writes them.
        checkpoints: of the fitted models that predict their mean.
    """
    named = {f"{number}/{name}": array for number, one in enumerate(checkpoints) for name, array in one.items()}
    text = {name: array.tolist() for name, array in named.items() if array.dtype.kind == "U"}
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        facts = {"classes": list(classes), "trained_with": dict(trained_with), "count": len(checkpoints), "text": text}
        write_json(fresh / _FACTS, facts)
        arrays = {name: np.array(array, order="C") for name, array in named.items() if name not in text}
        save_file(arrays, fresh / _WEIGHTS)


def read_pack(folder: Path) -> TrainedModel:
    """The model that a folder holds; it predicts what the packed one did, to the last bit on the same processor.

    Raises:
        StorageError: a file is missing or damaged.
        ConfigError: another version of microfacial wrote it.
    """
    facts = read_json(folder / _FACTS)
    try:
        arrays = load_file(folder / _WEIGHTS)
    except (FileNotFoundError, SafetensorError) as error:
        raise StorageError(f"{folder / _WEIGHTS} is missing or damaged ({error}). Register the model again") from None
    if not isinstance(facts, dict) or not {"text", "count", "trained_with", "classes"} <= facts.keys():
        raise StorageError(f"{folder / _FACTS} is damaged. Register the model again")
    text = {name: np.array(value, dtype=np.str_) for name, value in facts["text"].items()}
    named: dict[str, NDArray[Any]] = {**arrays, **text}
    checkpoints = [
        {name.removeprefix(start): array for name, array in named.items() if name.startswith(start)}
        for start in (f"{number}/" for number in range(facts["count"]))
    ]
    return restore_model(facts["trained_with"], tuple(facts["classes"]), checkpoints, folder / _FACTS)


def pack_bytes(folder: Path) -> int:
    """How large a packed model's weights are."""
    return (folder / _WEIGHTS).stat().st_size


@contextmanager
def open_brought(clip: str) -> Iterator[Path]:
    """The path that a client names, or a scratch file of the video or map that it sends as base64.

    Raises:
        DatasetError: it is neither.
    """
    if _is_path(clip):
        yield Path(clip)
        return
    content = _decode(clip)
    ending = _find_ending(content)
    if not ending:
        shown = clip if len(clip) <= _SHOWN else f"{clip[:_SHOWN]}…"
        raise DatasetError(
            f"{shown!r} is no path that exists here and no base64 of a video (avi, gif, mov, mp4) or of a map (png). "
            "Correct it"
        )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"clip{ending}"
        path.write_bytes(content)
        yield path


def _is_path(clip: str) -> bool:
    try:
        return bool(clip) and Path(clip).exists()  # an empty path is the current folder
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False


def _find_ending(content: bytes) -> str:
    """The ending of a video or picture by its content; none for anything else."""
    if content[4:8] == _MP4_BRAND:
        return ".mp4"
    return next((ending for start, ending in _ENDINGS.items() if content.startswith(start)), "")


def _decode(clip: str) -> bytes:
    """Bytes of base64; none of what is not base64."""
    try:
        return base64.b64decode(clip, validate=True)
    except (binascii.Error, ValueError):
        return b""
