"""Search spaces: for each model, the keys of its settings that a study searches, and their possible values.

Settings that are not in the space keep their values from params.yaml. Each value that a study tries can be written to
params.yaml exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from types import MappingProxyType

from microfacial.errors import ConfigError, suggest

Value = bool | int | float | str
_SIGNIFICANT_DIGITS = 3  # of a float; scores cannot resolve more


@dataclass(frozen=True)
class Categorical:
    """A parameter with a list of values that have no order.

    Attributes:
        values: the possible values.
    """

    values: tuple[Value, ...]

    @property
    def corners(self) -> tuple[Value, ...]:
        """All values."""
        return self.values

    def tidy(self, value: Value) -> Value:
        """Return the value as params.yaml stores it.

        Args:
            value: a value that Optuna suggests.

        Returns:
            The same value.
        """
        return value

    def contains(self, value: Value) -> bool:
        """Return whether the parameter can have a value. `True` and `1` are different values.

        Args:
            value: any value.

        Returns:
            Whether it is one of `values` and has the same type.
        """
        return any(value == other and type(value) is type(other) for other in self.values)


@dataclass(frozen=True)
class Integer:
    """A parameter with integer values.

    Attributes:
        low: smallest value.
        high: largest value.
    """

    low: int
    high: int

    @property
    def corners(self) -> tuple[Value, ...]:
        """The smallest and the largest value."""
        return self.low, self.high

    def tidy(self, value: Value) -> Value:
        """Return the value as params.yaml stores it.

        Args:
            value: a value that Optuna suggests.

        Returns:
            The same value.
        """
        return value

    def contains(self, value: Value) -> bool:
        """Return whether the parameter can have a value.

        Args:
            value: any value.

        Returns:
            Whether it is an `int` within the bounds.
        """
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Float:
    """A parameter with real values of three significant digits.

    Attributes:
        low: smallest value.
        high: largest value.
        log: whether values are drawn uniformly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    @property
    def corners(self) -> tuple[Value, ...]:
        """The smallest and the largest value."""
        return self.low, self.high

    def tidy(self, value: Value) -> Value:
        """Return the value as params.yaml stores it.

        Args:
            value: a number that Optuna suggests.

        Returns:
            The number, rounded to three significant digits and clipped to the bounds.
        """
        number = float(value)
        if number == 0:
            return 0.0
        rounded = round(number, _SIGNIFICANT_DIGITS - 1 - floor(log10(abs(number))))
        return min(max(rounded, self.low), self.high)

    def contains(self, value: Value) -> bool:
        """Return whether the parameter can have a value.

        Args:
            value: any value.

        Returns:
            Whether it is a `float` within the bounds.
        """
        return isinstance(value, float) and self.low <= value <= self.high


Parameter = Categorical | Integer | Float
Space = Mapping[str, Parameter]

_SWITCH = Categorical((False, True))
_OPTIMISER: Space = {
    "learning_rate": Float(1e-4, 1e-2, log=True),
    "weight_decay": Float(1e-3, 1.0, log=True),
    "schedule": Categorical(("constant", "cosine")),
    "epochs": Categorical((30, 60, 90)),
}
_LOSS: Space = {
    "loss": Categorical(("cross-entropy", "focal")),
    "label_smoothing": Float(0.0, 0.3),
    "class_weights": Categorical(("none", "root", "inverse")),
}
_AUGMENTATION: Space = {
    "mixup_alpha": Float(0.0, 0.4),
    "shift_px": Integer(0, 2),
    "flip": _SWITCH,
}
_NETWORK: Space = {**_OPTIMISER, **_LOSS, **_AUGMENTATION, "dropout": Float(0.0, 0.7)}
_REGIONS: Space = {
    **_NETWORK,
    "input_px": Categorical((7, 14)),
    "encoder": Categorical(("linear", "conv")),
    "shared_encoder": _SWITCH,
}
_ATTENTION: Space = {
    **_REGIONS,
    "width": Categorical((16, 32, 64)),  # every number of heads divides every width
    "heads": Categorical((1, 2, 4, 8)),
    "depth": Integer(1, 3),
    "normalise": _SWITCH,
}
_WINDOWS: Space = {"windows_per_phase": Categorical((0, 1, 2)), "window_jitter": Float(0.0, 0.3)}

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "linear_svm": {"input_px": Categorical((7, 14, 28, 56))},  # each fold chooses its own C
        "logistic_regression": {"input_px": Categorical((7, 14, 28, 56)), "components": Integer(20, 120)},
        "mlp": {
            **_OPTIMISER,
            **_LOSS,
            "mixup_alpha": Float(0.0, 0.4),
            "dropout": Float(0.0, 0.7),
            "input_px": Categorical((7, 14, 28)),
            "hidden": Categorical((16, 32, 64, 128)),
        },
        "rgb": {**_NETWORK, "input_px": Categorical((32, 48, 64)), "width": Categorical((32, 64, 128))},
        "flow_cnn": {
            **_NETWORK,
            "patch_px": Categorical((2, 4, 7, 14)),
            "width": Categorical((8, 16, 32)),
            "hidden": Categorical((32, 64, 128)),
            "depth": Integer(0, 2),
        },
        "roi_cnn": _REGIONS,
        "roi_graph": _ATTENTION,
        "roi_transformer": {**_ATTENTION, **_WINDOWS},
        "hybrid": {
            **_ATTENTION,
            **_WINDOWS,
            "fusion": Categorical(("gate", "weights", "fixed")),
            "graph_share": Float(0.1, 0.9),  # initial weight of the graph in all three kinds of fusion
            "roi_attention": _SWITCH,
            "part_losses": _SWITCH,
            "face_share": Float(0.0, 0.8),
            "prior_share": Float(0.0, 0.8),
        },
        "ststnet": _NETWORK,
        "off_apexnet": _NETWORK,
        "sssnet": _NETWORK,
        "rcn_a": {**_NETWORK, "width": Categorical((16, 32, 64))},
        "htnet": {**_OPTIMISER, **_LOSS, **_AUGMENTATION, "width": Categorical((24, 48, 96))},
    }
)


def find_space(model: str, fixed_parameters: tuple[str, ...] = ()) -> Space:
    """Return the parameters that a study of a model searches.

    Args:
        model: name of the model.
        fixed_parameters: parameters that are not searched. They may belong to other models.

    Returns:
        Parameters by the name of the settings key.

    Raises:
        ConfigError: the model has no parameters to search, or no model has one of the fixed parameters.
    """
    space = SPACES.get(model, {})
    unknown = [name for name in fixed_parameters if not any(name in other for other in SPACES.values())]
    if unknown:
        hint = suggest(unknown[0], {name for other in SPACES.values() for name in other})
        raise ConfigError(
            f"params.yaml: study.fixed_parameters: no study searches {unknown[0]!r}. Check the spelling{hint}"
        )
    searched = {name: parameter for name, parameter in space.items() if name not in fixed_parameters}
    if space and not searched:
        raise ConfigError(
            f"params.yaml: study.fixed_parameters has all parameters of {model}, so none is searched. Remove one of "
            f"{', '.join(space)}"
        )
    if not searched:
        raise ConfigError(f"{model} has no parameters to search. Models that can be studied: {', '.join(SPACES)}")
    return searched
