"""What a study may search: for each model, keys of its settings and the values to choose from.

A space says nothing of the other settings: those stay as params.yaml has them. The values that are tried are exactly
those that can be written into params.yaml.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from microfacial.errors import ConfigError
from microfacial.settings import Section

Value = bool | int | float | str
_DIGITS = 3  # that matter of a real value: nobody can tell more apart


@dataclass(frozen=True)
class Choice:
    """One of some values that have no order."""

    values: tuple[Value, ...]

    @property
    def corners(self) -> tuple[Value, ...]:
        """All values."""
        return self.values

    def tidy(self, value: Value) -> Value:
        """The value as params.yaml would have it."""
        return value

    def holds(self, value: Value) -> bool:
        """Whether the value is one of the parameter's."""
        return any(value == own and type(value) is type(own) for own in self.values)


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def corners(self) -> tuple[Value, ...]:
        """The least and the greatest."""
        return self.low, self.high

    def tidy(self, value: Value) -> Value:
        """The value as params.yaml would have it."""
        return value

    def holds(self, value: Value) -> bool:
        """Whether the value is one of the parameter's."""
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Real:
    """A real number from `low` to `high`, of three digits that matter; `log`: evenly spread over its logarithm."""

    low: float
    high: float
    log: bool = False

    @property
    def corners(self) -> tuple[Value, ...]:
        """The least and the greatest."""
        return self.low, self.high

    def tidy(self, value: Value) -> Value:
        """The value as params.yaml would have it: rounded, and within the bounds."""
        number = float(value)
        if number == 0:
            return 0.0
        rounded = round(number, _DIGITS - 1 - floor(log10(abs(number))))
        return min(max(rounded, self.low), self.high)

    def holds(self, value: Value) -> bool:
        """Whether the value is one of the parameter's."""
        return isinstance(value, float) and self.low <= value <= self.high


Parameter = Choice | Whole | Real
Space = Mapping[str, Parameter]

_SWITCH = Choice((False, True))
_OPTIMISER: Space = {
    "learning_rate": Real(1e-4, 1e-2, log=True),
    "weight_decay": Real(1e-3, 1.0, log=True),
    "schedule": Choice(("constant", "cosine")),
    "epochs": Choice((30, 60, 90)),
}
_LOSS: Space = {
    "loss": Choice(("cross-entropy", "focal")),
    "label_smoothing": Real(0.0, 0.3),
    "class_weights": Choice(("none", "root", "inverse")),
}
_AUGMENTATION: Space = {
    "mixup_alpha": Real(0.0, 0.4),
    "shift_px": Whole(0, 2),
    "flip": _SWITCH,
}
_NETWORK: Space = {**_OPTIMISER, **_LOSS, **_AUGMENTATION, "dropout": Real(0.0, 0.7)}
_REGIONS: Space = {
    **_NETWORK,
    "input_px": Choice((7, 14)),
    "encoder": Choice(("linear", "conv")),
    "shared_encoder": _SWITCH,
}
_ATTENTION: Space = {
    **_REGIONS,
    "width": Choice((16, 32, 64)),  # all numbers of heads divide all widths
    "heads": Choice((1, 2, 4, 8)),
    "depth": Whole(1, 3),
    "normalise": _SWITCH,
}
_WINDOWS: Space = {"windows_per_phase": Choice((0, 1, 2)), "window_jitter": Real(0.0, 0.3)}

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "linear_svm": {"input_px": Choice((7, 14, 28, 56))},  # C is chosen anew in each training part
        "logistic_regression": {"input_px": Choice((7, 14, 28, 56)), "components": Whole(20, 120)},
        "mlp": {
            **_OPTIMISER,
            **_LOSS,
            "mixup_alpha": Real(0.0, 0.4),
            "dropout": Real(0.0, 0.7),
            "input_px": Choice((7, 14, 28)),
            "hidden": Choice((16, 32, 64, 128)),
        },
        "rgb": {**_NETWORK, "input_px": Choice((32, 48, 64)), "width": Choice((32, 64, 128))},
        "flow_cnn": {
            **_NETWORK,
            "patch_px": Choice((2, 4, 7, 14)),
            "width": Choice((8, 16, 32)),
            "hidden": Choice((32, 64, 128)),
            "depth": Whole(0, 2),
        },
        "roi_cnn": _REGIONS,
        "roi_graph": _ATTENTION,
        "roi_transformer": {**_ATTENTION, **_WINDOWS},
        "hybrid": {
            **_ATTENTION,
            **_WINDOWS,
            "fusion": Choice(("gate", "weights", "fixed")),
            "graph_share": Real(0.1, 0.9),  # where the weights of all three kinds of fusion begin
            "roi_attention": _SWITCH,
        },
        "ststnet": _NETWORK,
        "off_apexnet": _NETWORK,
        "sssnet": _NETWORK,
        "rcn_a": {**_NETWORK, "width": Choice((16, 32, 64))},
        "htnet": {**_OPTIMISER, **_LOSS, **_AUGMENTATION, "width": Choice((24, 48, 96))},
    }
)


def find_space(model: str, keep: tuple[str, ...] = ()) -> Space:
    """The parameters that a study of a model searches, without those that are to stay as they are.

    Raises:
        ConfigError: the model has nothing to search, or no such parameter to keep.
    """
    space = SPACES.get(model, {})
    strangers = [name for name in keep if not any(name in other for other in SPACES.values())]
    if strangers:
        raise ConfigError(f"params.yaml: study.keep: no study searches {strangers[0]!r}; check its spelling")
    left = {name: parameter for name, parameter in space.items() if name not in keep}
    if not left:
        raise ConfigError(f"{model} has nothing to search; a study can be made of {', '.join(SPACES)}")
    return left


class StudyConfig(Section):
    """The `study` section of params.yaml: how settings are searched, on whom, and how long."""

    mode: Literal["split", "nested"] = "split"
    subjects: tuple[str, ...] = Field((), strict=False)  # split: who is tuned on; empty: every second of each corpus
    outer_groups: int = Field(4, ge=2)  # nested: groups of subjects, each predicted by what was tuned on the others
    inner_folds: int = Field(10, ge=2)  # groups of the subjects that are tuned on, held out in turn; at most one each
    repeats: int = Field(1, ge=1)  # trainings of each inner fold, with seeds of their own
    seed: int = Field(0, ge=0)
    trials: int = Field(40, ge=2)  # in all, trial 0 included
    minutes: float | None = Field(None, gt=0)  # a run begins no trial after so many; null: no limit
    sampler: Literal["tpe", "random"] = "tpe"
    startup_trials: int = Field(10, ge=1)  # drawn at random before the sampler learns
    prune: bool = True  # stop trials that are clearly worse than trial 0
    prune_p: float = Field(0.1, gt=0, lt=0.5)  # one-sided, of Wilcoxon's signed-rank test over folds
    keep: tuple[str, ...] = Field((), strict=False)  # parameters of the space that stay as models has them
    storage: str = Field("journal", min_length=1)  # journal: one worker; sqlite or an SQLAlchemy URL: several
    workers: int = Field(1, ge=1)  # processes that share the trials
    heartbeat_seconds: int = Field(10, ge=1)  # of several workers; one that misses six is dead
