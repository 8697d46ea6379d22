"""Restore trained models and predict the class of a clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ConfigError, DamagedError, DatasetError, StorageError, name_in_errors
from microfacial.evaluation.result_files import read_evaluation, read_trained_settings
from microfacial.files import REPAIR, as_path, read_arrays, refuse_damaged
from microfacial.inference.read import read_moments
from microfacial.inference.temperature import are_probabilities
from microfacial.models.lookup import find_model, list_models
from microfacial.preprocessing.devices import find_device
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import Explainable, FaceStore, Fitted, FloatArray
from microfacial.settings import Section, check, with_current_keys
from microfacial.training.fit import restore
from microfacial.training.fitted_network import FittedNetwork

Checkpoint = Mapping[str, NDArray[Any]]
"""The arrays that a fitted model is restored from, by name. `shape` is the shape of one sample."""

_RESTORE_ERRORS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
_Section = TypeVar("_Section", bound=Section)


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained variant, with the settings that turn a clip into its inputs.

    Attributes:
        model: name of the variant, one of `list_models()`.
        classes: names of the K classes, in the order of the predicted probabilities.
        settings: settings of the variant.
        faces: settings that locate the face in a clip.
        flow: settings that compute the flow of a clip.
        shape: shape of the inputs of one clip, without the axis N.
        fitted: the fitted models. `predict_clip` returns the mean of their probabilities.
        temperature: calibrates the probabilities in answers about films. `predict_clip` does not use it. None if it is
            unknown.
    """

    model: str
    classes: tuple[str, ...]
    settings: Section
    faces: FacesConfig
    flow: FlowConfig
    shape: tuple[int, ...]
    fitted: tuple[Fitted, ...]
    temperature: float | None = None

    def to(self, device: str) -> "TrainedModel":
        """Return the same model with its networks on another device. Estimators use the processor.

        Args:
            device: `cpu`, `cuda`, `mps`, or `auto` for the first of cuda, mps and cpu that this machine has.

        Raises:
            ConfigError: there is no such device, or PyTorch does not find it on this machine.
        """
        found = find_device(str(device), "to: device")  # a `torch.device` is accepted too
        moved = (fitted.to(found) if isinstance(fitted, FittedNetwork) else fitted for fitted in self.fitted)
        return replace(self, fitted=tuple(moved))

    def predict_clip(
        self,
        path: Path | str,
        onset: int | None = None,
        apex: int | None = None,
        offset: int | None = None,
        *,
        fps: float | None = None,
    ) -> dict[str, float]:
        """Return the probability of each class for one clip. The clip is read as the training clips were.

        A model of published maps takes the picture of a map. A map has no moments and no frame rate.

        Args:
            path: a video or a folder of frames, as for `read_clip`, or the picture of a map.
            onset: number of the frame before the movement. Spotted if None; see `read_clip`.
            apex: number of the frame where the movement peaks. Spotted if None.
            offset: number of the frame where the movement has ended. Spotted if None, unless onset and apex are given.
            fps: frames per second, which spotting needs. Defaults to the frame rate in the video file.

        Returns:
            Probabilities by class. They sum to 1.

        Raises:
            DatasetError: the clip cannot be read (see `read_clip`), or its inputs have another shape than in training.
            ConfigError: an argument has a wrong type.
            StorageError: the predictions are no probabilities.
        """
        store = read_moments(path, onset, apex, offset, fps=fps, faces=self.faces, flow=self.flow).store
        with name_in_errors(path):
            probabilities = self.predict_store(store)
        return dict(zip(self.classes, probabilities.tolist(), strict=True))

    def predict_store(self, store: FaceStore) -> FloatArray:
        """Return the probability of each class for one clip whose flow is known.

        Args:
            store: crops and flow of one clip, computed with the settings `faces` and `flow`.

        Returns:
            `(K,)`. They sum to 1.

        Raises:
            DatasetError: the store does not have exactly one clip, or the inputs have another shape than in training.
            StorageError: the predictions are no probabilities.
        """
        _require_one_clip(store, "predict_store")
        inputs = find_model(self.model).make_inputs(store, self.settings).values
        if inputs.shape[1:] != self.shape:
            raise DatasetError(
                f"the inputs have shape {inputs.shape[1:]}, but {self.model} was trained on {self.shape}. If you gave "
                "onset and apex only, give the offset too: without it, only the motion of onset→apex is known"
            )
        probabilities: FloatArray = np.mean([fitted.predict(inputs)[0] for fitted in self.fitted], axis=0)
        if not are_probabilities(probabilities):
            raise StorageError(f"the predictions of {self.model} are no probabilities, so its weights are damaged")
        return probabilities

    def weigh_regions(self, store: FaceStore) -> dict[str, float]:
        """Return how much each region counts in the prediction for one clip, by name.

        In the hybrid, these are the weights of the regions in its branches, times the weights of the branches. In the
        graph of regions, they are the mean attention that a region gets from all regions. The motion prior, which
        both models can be averaged with, has no regions and does not count.

        Args:
            store: crops and flow of one clip, computed with the settings `faces` and `flow`.

        Returns:
            Weights, which sum to 1. Empty if the model has no regions or cannot explain its predictions.

        Raises:
            DatasetError: the store does not have exactly one clip.
        """
        _require_one_clip(store, "weigh_regions")
        inputs = find_model(self.model).make_inputs(store, self.settings)
        explained = [model.explain(inputs.values) for model in self.fitted if isinstance(model, Explainable)]
        if not inputs.regions or not all(explained) or not explained:
            return {}
        weights = np.mean([_weigh_regions(arrays) for arrays in explained], axis=0)
        return dict(zip(inputs.regions, weights.tolist(), strict=True))


def _require_one_clip(store: FaceStore, where: str) -> None:
    if len(store.clips) != 1:
        raise DatasetError(
            f"{where} needs a store of one clip, found {len(store.clips)}. Use a store that read_clip returns, or take "
            "one clip from each array of this store"
        )


def _weigh_regions(explained: Mapping[str, FloatArray]) -> FloatArray:
    """Return the weight of each region for the only clip of an explanation, `(R,)`."""
    if not explained["windows"].size:  # the graph of regions gives all regions the same weight
        return explained["attention"][0].mean(axis=0)
    graph, transformer = explained["fusion"][0]
    return graph * explained["graph_regions"][0] + transformer * explained["transformer_regions"][0]


def load_fold(path: Path | str) -> TrainedModel:
    """Load the model of one fold.

    Set `train.checkpoints: true` to make the `train` stage write these files.

    Args:
        path: a file in `results/<data set>/train/<model>/checkpoints/`.

    Returns:
        The model with its classes and settings.

    Raises:
        StorageError: this file, or one of the training's other files, is missing or damaged.
        ConfigError: another version of microfacial wrote the settings.
    """
    checkpoint = as_path(path, "load_fold: path")
    folder = checkpoint.parent.parent
    evaluation = read_evaluation(folder)
    sections = read_trained_settings(folder, evaluation.model)
    if not checkpoint.exists():
        raise StorageError(f"{checkpoint} is missing. Set train.checkpoints: true and run `dvc repro`")
    remedy = "Delete it, set train.checkpoints: true and run `dvc repro`"
    return restore_model(sections, evaluation.classes, [read_arrays(checkpoint, ["shape"], remedy)], checkpoint, remedy)


def restore_model(
    sections: Mapping[str, Any],
    classes: tuple[str, ...],
    checkpoints: Sequence[Checkpoint],
    source: Path,
    remedy: str = REPAIR,
) -> TrainedModel:
    """Restore a model from its checkpoints and from the settings of its training.

    Args:
        sections: the sections `faces`, `flow` and `models` of params.yaml, with one model, as the `train` stage writes
            them to settings.json.
        classes: names of the classes, in the order of the model's outputs.
        checkpoints: one checkpoint for each fitted model whose probabilities are averaged.
        source: the file that holds `sections`. Error messages name it.
        remedy: what to do if the sections or the checkpoints are damaged.

    Returns:
        The model with its classes and settings.

    Raises:
        ConfigError: another version of microfacial wrote the settings. The message names the key.
        StorageError: the sections are damaged, or the checkpoints do not fit them.
    """
    with refuse_damaged(source, remedy):
        model, content = _only_model(sections)
    if model not in list_models():
        raise ConfigError(f"{source}: models.{model} is not a known model. Choose from {', '.join(list_models())}")
    if not classes or len(set(classes)) < len(classes):
        raise StorageError(f"{source} is damaged (classes {', '.join(classes) or 'without names'}). {remedy}")
    missing = [name for name in ("faces", "flow") if name not in sections]
    if missing:
        raise StorageError(f"{source} is damaged (no section {missing[0]}). {remedy}")
    settings = _check_stored(content, find_model(model).settings, f"{source}: models.{model}")
    faces = _check_stored(sections["faces"], FacesConfig, f"{source}: faces")
    flow = _check_stored(sections["flow"], FlowConfig, f"{source}: flow")
    with refuse_damaged(source, remedy):
        try:
            fitted = tuple(restore(model, settings, checkpoint) for checkpoint in checkpoints)
            shape = tuple(int(size) for size in checkpoints[0]["shape"])
            outputs = [fitted_model.predict(np.zeros((1, *shape), np.float32)) for fitted_model in fitted]
        except _RESTORE_ERRORS as error:
            raise DamagedError(f"its weights do not fit its settings: {' '.join(str(error).split())}") from None
        if {output.shape for output in outputs} != {(1, len(classes))}:
            raise DamagedError(f"its weights are not those of a model of {len(classes)} classes")
        if not all(are_probabilities(output[0]) for output in outputs):
            raise DamagedError("its predictions are no probabilities")
    return TrainedModel(
        model=model, classes=classes, settings=settings, faces=faces, flow=flow, shape=shape, fitted=fitted
    )


def _only_model(sections: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the name and the settings of the model in stored sections."""
    models = sections.get("models")
    if not isinstance(models, Mapping) or len(models) != 1:
        raise DamagedError("models does not have exactly one model")
    ((model, content),) = models.items()
    return model, content


def _check_stored(content: Any, kind: type[_Section], where: str) -> _Section:
    """Turn stored settings into a section. Keys that have been renamed since are accepted, unlike in params.yaml."""
    return check(with_current_keys(content, kind) if isinstance(content, Mapping) else content, kind, where)
