"""Make a model variant of a user's own function or scikit-learn classifier, with checks of what it returns."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.base import Estimator, Network, Task, Variant
from microfacial.models.inputs import apex_crops, face_regions, full_face, phase_windows, region_windows
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Fitted, FloatArray, History, Inputs, TrainingData
from microfacial.settings import Section

BuildNetwork = Callable[[tuple[int, ...], int], nn.Module]
"""A function that returns an untrained network for the shape of one sample and the number of classes."""

_SEARCHES = (GridSearchCV, RandomizedSearchCV)
_ROWS = 2  # of the random inputs that a new network is tried on
_SUM_TOLERANCE = 1e-3  # of probabilities


class InputSettings(Section):
    """The inputs of a user's own model.

    Attributes:
        inputs: `face`: motion of the whole face, `(3, s, s)`: u, v, strain. `regions`: motion of each region,
            `(R, 3, s, s)`. `windows`: motion of each region in each window from onset to offset, `(W, R, 3, s, s)`.
            `apex`: the aligned apex frame, `(3, s, s)`.
        input_px: side of the maps, s.
    """

    inputs: Literal["face", "regions", "windows", "apex"] = "face"
    input_px: int = Field(28, ge=4, le=512)


class OwnNetworkSettings(OptimiserSettings, InputSettings):
    """The inputs and the training of a network that a user's own function builds."""


def make_variant(model: object) -> tuple[str, Variant]:
    """Make a variant of a user's own model.

    Args:
        model: a `BuildNetwork` function, or a scikit-learn classifier with `predict_proba`.

    Returns:
        A name for the model, and its variant. The settings of the variant are `OwnNetworkSettings` or `InputSettings`.

    Raises:
        ConfigError: the object is neither of them. The message says what it is.
    """
    kind = type(model).__name__
    if isinstance(model, nn.Module):
        raise ConfigError(
            f"evaluate needs a function that builds the network, because each fold starts from new weights, but got a "
            f"{kind}. Pass lambda shape, classes: {kind}(…)"
        )
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        return _make_estimator(model)
    if not callable(model):
        raise ConfigError(
            f"evaluate needs the name of a model, a function that builds a network, or a scikit-learn classifier, but "
            f"got a {kind}"
        )
    return _make_network(model)


def is_appearance(settings: Section) -> bool:
    """Return whether the inputs of a user's own model are frames.

    Args:
        settings: settings of any model.
    """
    return isinstance(settings, InputSettings) and settings.inputs == "apex"


def make_own_inputs(store: FaceStore, settings: InputSettings) -> Inputs:
    """Compute the inputs of a user's own model.

    Args:
        store: aligned faces and flow of N clips.
        settings: choice of the inputs.

    Returns:
        The inputs.
    """
    match settings.inputs:
        case "face":
            return full_face(store, settings.input_px)
        case "regions":
            return face_regions(store, settings.input_px, whole_face=False)
        case "windows":
            return region_windows(store, settings.input_px, phase_windows(store, 2))
        case "apex":
            return apex_crops(store, settings.input_px)


# --- networks ---------------------------------------------------------------------------------------------------------


def _make_network(function: Callable[..., object]) -> tuple[str, Variant]:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        inspect.signature(function).bind((3, 28, 28), 4)
    except (TypeError, ValueError) as error:  # ValueError: the signature of a built-in function is unknown
        raise ConfigError(
            f"{name}: a function that builds a network takes two arguments, the shape of one sample and the number of "
            f"classes ({error})"
        ) from None
    variant = Network(
        settings=OwnNetworkSettings,
        presets={"default": {}},
        make_inputs=make_own_inputs,
        build=partial(_build, function=function, name=name),
        lockstep=_trains_alone,
    )
    return "network" if name == "<lambda>" else name, variant


def _trains_alone(settings: OwnNetworkSettings) -> bool:
    """Own networks may contain operations that several networks cannot share in one program."""
    return False


def _build(task: Task, settings: OwnNetworkSettings, *, function: Callable[..., object], name: str) -> nn.Module:
    """Build a network and check what it returns."""
    network = function(task.shape, task.classes)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{name} returned a {type(network).__name__}, not a torch.nn.Module")
    _replace_dropout(network)
    _check_parameters(network, name)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        inputs = torch.randn(_ROWS, *task.shape)
        before = {key: value.clone() for key, value in network.named_buffers()}
        try:
            network.train()(inputs)
            logits = network.eval()(inputs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{name}: the network fails on inputs {tuple(inputs.shape)}: {reason}") from error
    for key, value in network.named_buffers():
        if not torch.equal(before[key], value):
            raise ConfigError(
                f"{name}: the network changes {key} while it trains, as BatchNorm does. Checkpoints of an epoch cannot "
                "keep such a state. Use GroupNorm or LayerNorm"
            )
    _check_logits(logits, task.classes, name)
    return network.train()


def _replace_dropout(module: nn.Module) -> None:
    """Replace `nn.Dropout` with the layer whose masks come from the seed of the fold."""
    for key, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, key, Dropout(child.p))
        else:
            _replace_dropout(child)


def _check_parameters(network: nn.Module, name: str) -> None:
    parameters = dict(network.named_parameters())
    if not parameters:
        raise ConfigError(f"{name}: the network has no parameters, so it cannot be trained")
    if len(parameters) < sum(1 for _ in network.named_parameters(remove_duplicate=False)):
        raise ConfigError(f"{name}: two modules share a parameter, which is not supported. Give each its own")
    for key, value in parameters.items():
        if not value.requires_grad:
            raise ConfigError(f"{name}: {key} is frozen, but all parameters are trained. Make it a buffer")
        if value.dtype != torch.float32 or value.device.type != "cpu":
            raise ConfigError(f"{name}: {key} is {value.dtype} on {value.device}. Build the network in float32 on cpu")


def _check_logits(logits: object, classes: int, name: str) -> None:
    if not isinstance(logits, Tensor):
        raise ConfigError(f"{name}: the network returns a {type(logits).__name__}, not a tensor of logits (n, classes)")
    if logits.shape != (_ROWS, classes):
        raise ConfigError(
            f"{name}: for {_ROWS} clips and {classes} classes, the network returns {tuple(logits.shape)} instead of "
            f"({_ROWS}, {classes})"
        )
    if not logits.isfinite().all():
        raise ConfigError(f"{name}: the untrained network returns numbers that are not finite")


# --- scikit-learn -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FittedClassifier:
    """A fitted scikit-learn classifier. A class that did not occur in its training rows has the probability 0.

    Attributes:
        classifier: the fitted classifier.
        classes: number of all classes, K.
        chosen: parameters that a search chose, in words; empty without a search.
        history: empty, because a classifier has no epochs.
    """

    classifier: Any
    classes: int
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the probabilities of the classes.

        Args:
            inputs: inputs of n clips, `(n, …)`.

        Returns:
            Probabilities, `(n, K)`.

        Raises:
            ConfigError: the classifier returns another shape, or numbers that are no probabilities.
        """
        returned = np.asarray(self.classifier.predict_proba(_flatten(inputs)), dtype=np.float64)
        name, present = _name_classifier(self.classifier), self.classifier.classes_
        if returned.shape != (len(inputs), len(present)):
            raise ConfigError(
                f"{name}.predict_proba returned {returned.shape} instead of {(len(inputs), len(present))}"
            )
        if not np.isfinite(returned).all() or (returned < 0).any() or _far_from_one(returned):
            raise ConfigError(f"{name}.predict_proba returned numbers that are no probabilities, such as NaN")
        probabilities = np.zeros((len(inputs), self.classes))
        probabilities[:, present] = returned
        return probabilities

    def checkpoint(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing, because the classifier cannot be stored as arrays."""
        return {}


def _make_estimator(model: Any) -> tuple[str, Variant]:
    if isinstance(model, type):
        raise ConfigError(f"evaluate needs an instance of {model.__name__}, not the class. Pass {model.__name__}()")
    name = _name_classifier(model)
    if not hasattr(model, "predict_proba"):
        raise ConfigError(
            f"{name} has no predict_proba in its present form. Wrap it: "
            f"sklearn.calibration.CalibratedClassifierCV({name}(…))"
        )
    return name, Estimator(
        settings=InputSettings,
        presets={"default": {}},
        make_inputs=make_own_inputs,
        fit=partial(_fit, classifier=model),
        restore=_refuse_to_restore,
        ignores_seed=not _unset_seeds(model),
    )


def _name_classifier(model: Any) -> str:
    """Return the name of a classifier: its class, that of a pipeline's last step, or that of a search's estimator."""
    if isinstance(model, Pipeline):
        return _name_classifier(model.steps[-1][1])
    return _name_classifier(model.estimator) if isinstance(model, _SEARCHES) else type(model).__name__


def _fit(data: TrainingData, settings: InputSettings, *, classifier: Any) -> Fitted:
    """Fit a copy of a classifier. Its unset random states get the seed of the fold.

    A search, such as `GridSearchCV`, also gets the subjects as `groups`, so that its splitter can keep subjects
    together.
    """
    fresh, samples = clone(classifier), data.samples
    fresh.set_params(**dict.fromkeys(_unset_seeds(fresh), data.seed % 2**32))
    groups = {"groups": samples.subjects} if isinstance(fresh, _SEARCHES) else {}
    name = _name_classifier(fresh)
    try:
        fresh.fit(_flatten(samples.inputs), samples.labels, **groups)
    except ValueError as error:
        raise ConfigError(f"{name} cannot be fitted: {' '.join(str(error).split())}") from error
    present = getattr(fresh, "classes_", None)
    if present is None or not set(np.asarray(present).tolist()) <= set(samples.labels.tolist()):
        raise ConfigError(f"{name} has no classes_ of the training rows after fit. Pass a classifier")
    chosen = getattr(fresh, "best_params_", {})
    return FittedClassifier(fresh, len(samples.classes), ", ".join(f"{key}={value}" for key, value in chosen.items()))


def _unset_seeds(classifier: Any) -> list[str]:
    """Return the names of the random states that are not set, also those of nested estimators."""
    return sorted(
        key
        for key, value in classifier.get_params(deep=True).items()
        if value is None and key.rpartition("__")[2] == "random_state"
    )


def _refuse_to_restore(settings: InputSettings, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
    raise ConfigError("a scikit-learn classifier cannot be restored from arrays. Fit it again")


def _flatten(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return inputs.reshape(len(inputs), -1)


def _far_from_one(probabilities: FloatArray) -> bool:
    return bool((np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any())
