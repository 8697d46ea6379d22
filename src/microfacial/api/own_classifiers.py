"""Make a model variant of a scikit-learn classifier, and check what it returns."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from microfacial.api.object_walk import walk
from microfacial.api.own_inputs import InputSettings, make_own_inputs
from microfacial.errors import ConfigError, faults_as_config_errors
from microfacial.models.base import Estimator, Variant
from microfacial.records import Fitted, FloatArray, History, TrainingData

_SEARCHES = (GridSearchCV, RandomizedSearchCV)
_SUM_TOLERANCE = 1e-3  # of probabilities


@dataclass(frozen=True)
class FittedClassifier:
    """A fitted scikit-learn classifier. A class that did not occur in its training rows has the probability 0.

    Attributes:
        classifier: the fitted classifier.
        classes: number of all classes, K.
        seed: seed of the fold.
        chosen: parameters that a search chose, in words; empty without a search.
        history: empty, because a classifier has no epochs.
    """

    classifier: Any
    classes: int
    seed: int
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the probabilities of the classes.

        Args:
            inputs: inputs of n clips, `(n, …)`.

        Returns:
            Probabilities, `(n, K)`.

        Raises:
            ConfigError: the classifier fails, or returns another shape or numbers that are no probabilities.
        """
        name, present = _name_classifier(self.classifier), self.classifier.classes_
        with faults_as_config_errors(f"{name} cannot predict"), _seeded_numpy(self.seed):
            returned = np.asarray(self.classifier.predict_proba(_flatten(inputs)), dtype=np.float64)
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


def make_classifier(model: Any) -> tuple[str, Variant]:
    """Make a variant of a scikit-learn classifier.

    Args:
        model: an instance of a classifier with `predict_proba`. It is not changed.

    Returns:
        A name for the model, and its variant.

    Raises:
        ConfigError: the object is a class, it has no `predict_proba`, or a part of it would stay fitted.
    """
    if isinstance(model, type):
        raise ConfigError(f"evaluate needs an instance of {model.__name__}, not the class. Pass {model.__name__}()")
    name = _name_classifier(model)
    if not hasattr(model, "predict_proba"):
        raise ConfigError(
            f"{name} has no predict_proba in its present form. Wrap it: "
            f"sklearn.calibration.CalibratedClassifierCV({name}(…))"
        )
    _refuse_fitted_parts(name, model)
    return name, Estimator(
        settings=InputSettings,
        presets={"default": {}},
        make_inputs=make_own_inputs,
        fit=partial(_fit, classifier=model),
        restore=_refuse_to_restore,
        ignores_seed=not _list_unseeded(model),
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
    seed = data.seed % 2**32
    for part in _list_unseeded(fresh):
        part.random_state = seed
    groups = {"groups": samples.subjects} if isinstance(fresh, _SEARCHES) else {}
    name = _name_classifier(fresh)
    with faults_as_config_errors(f"{name} cannot be fitted"), _seeded_numpy(seed):
        fresh.fit(_flatten(samples.inputs), samples.labels, **groups)
    present = getattr(fresh, "classes_", None)
    if present is None or not set(np.asarray(present).tolist()) <= set(samples.labels.tolist()):
        raise ConfigError(f"{name} has no classes_ of the training rows after fit. Pass a classifier")
    chosen = getattr(fresh, "best_params_", {})
    words = ", ".join(f"{key}={value}" for key, value in chosen.items())
    return FittedClassifier(fresh, len(samples.classes), seed, words)


@contextmanager
def _seeded_numpy(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, and restore it afterwards. A classifier of the user's own may draw from it."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def _refuse_fitted_parts(name: str, model: Any) -> None:
    """Refuse a classifier with a part that stays fitted in a copy. It may have been fitted on held-out subjects."""
    with faults_as_config_errors(f"{name} cannot be copied"):
        fresh = clone(model)
        for key, value in walk("", fresh, code=False):
            if (isinstance(value, str) and value == "prefit") or (key == "prefit" and value is True):
                raise ConfigError(
                    f"{name}: {key}={value!r} is for parts that are already fitted. Choose another value, so that "
                    "each fold fits them on its training rows"
                )
        for _, value in walk("", fresh, code=True):
            if isinstance(value, BaseEstimator) and (_learned_attributes(value) or clone(value) is value):
                raise ConfigError(
                    f"{name}: {type(value).__name__} is already fitted and would stay so in every fold, perhaps with "
                    "rows of held-out subjects. Pass the unfitted object"
                )


def _learned_attributes(estimator: Any) -> set[str]:
    """Return the names of attributes that end in `_`, which `fit` sets by scikit-learn's convention."""
    return {name for name in vars(estimator) if name.endswith("_")} - estimator.get_params(deep=False).keys()


def _list_unseeded(classifier: Any) -> list[Any]:
    """Return the parts that draw random numbers without a seed: estimators, and splitters that shuffle."""
    return [
        part
        for _, part in walk("", classifier, code=False)
        if not isinstance(part, type)
        and getattr(part, "random_state", 0) is None
        and (hasattr(part, "get_params") or getattr(part, "shuffle", True))
    ]


def _refuse_to_restore(settings: InputSettings, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
    raise ConfigError("a scikit-learn classifier cannot be restored from arrays. Fit it again")


def _flatten(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return inputs.reshape(len(inputs), -1)


def _far_from_one(probabilities: FloatArray) -> bool:
    return bool((np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any())
