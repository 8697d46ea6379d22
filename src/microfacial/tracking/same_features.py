"""Refuse results of trainings on different clips, faces or flow, and of trainings with other settings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from microfacial.errors import ProtocolError
from microfacial.tracking.run_records import read_identity

_NO_PROTOCOL = {"device", "checkpoints", "oracle"}  # settings that do not change what a score means
_REMEDY = "Run `microfacial repro`, which trains all models on the present data"


def require_same_features(folders: Sequence[Path], clips: str = "") -> None:
    """Check that models were trained on the same clips, faces and flow. Trainings without run.json are not checked.

    Args:
        folders: folders of the trainings, `results/<data set>/train/<model>`.
        clips: MD5 of the present clips.csv, if the models must have been trained on it.

    Raises:
        ProtocolError: two models were trained on different features, or a model was trained on other clips.
        StorageError: run.json of a model is damaged.
    """
    identities = [read_identity(folder) for folder in folders if (folder / "run.json").exists()]
    for first, second in pairwise(identities):
        for name, same in (
            ("clips", first.clips == second.clips),
            ("faces", first.settings["faces"] == second.settings["faces"]),
            ("faces", not (first.faces and second.faces) or first.faces == second.faces),
            ("flow", first.flow.digest == second.flow.digest),
        ):
            if not same:
                raise ProtocolError(
                    f"{first.model} and {second.model} were trained on different {name}, so their scores do not "
                    f"compare the models. {_REMEDY}"
                )
    if clips and identities and identities[0].clips != clips:
        raise ProtocolError(f"clips.csv has changed since {identities[0].model} was trained. {_REMEDY}")


def require_same_protocol(folders: Sequence[Path], train: Mapping[str, Any]) -> None:
    """Check that models were trained with the present protocol. Trainings without run.json are not checked.

    Args:
        folders: folders of the trainings, `results/<data set>/train/<model>`.
        train: section `train` of params.yaml, as JSON has it.

    Raises:
        ProtocolError: a model was trained with another protocol, other seeds or other draws.
        StorageError: run.json of a model is damaged.
    """
    for identity in (read_identity(folder) for folder in folders if (folder / "run.json").exists()):
        trained = identity.settings["train"]
        for name in (name for name in trained if name in train and name not in _NO_PROTOCOL):
            is_single = name == "repeats" and trained[name] == 1  # of a model that ignores the seed
            if trained[name] != train[name] and not is_single:
                raise ProtocolError(
                    f"params.yaml: train.{name} is {train[name]}, but {identity.model} was trained with "
                    f"{trained[name]}. Run `microfacial repro`, or undo the change"
                )
