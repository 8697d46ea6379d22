"""Create untrained networks, and compute the inputs of the hybrid network from a clip."""

import reprlib
from collections.abc import Iterable, Sequence
from math import prod
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.inference.read import read_clip
from microfacial.models import MODELS, Task
from microfacial.models.presets import find_network, resolve
from microfacial.preprocessing.alignment import mean_face
from microfacial.preprocessing.faces import FacesConfig, region_names
from microfacial.preprocessing.flow import WINDOWS
from microfacial.preprocessing.regions import face_boxes
from microfacial.records import PHASE_WINDOWS, FaceStore

_MAX_CLASSES, _MAX_INPUTS = 1000, 100_000_000  # of a network, and numbers in the inputs of one clip


class HybridInputs(NamedTuple):
    """The inputs of the hybrid network for one clip, float32, in px of the aligned square.

    Attributes:
        apex: motion of onset→apex, `(1, R, C, s, s)`.
        windows: motion of each window, `(1, T, R, C, s, s)`. T is 4 with two windows per phase. It is 2 with one window
            per phase and 1 without an offset; the first window is then onset→apex itself.
    """

    apex: Tensor
    windows: Tensor

    def join(self) -> Tensor:
        """Return all windows as the network takes them, with onset→apex first.

        A hybrid without a graph takes `windows` instead.

        Returns:
            `(1, 1 + T, R, C, s, s)` if T is 4, and `windows` otherwise, because they contain onset→apex already.
        """
        if self.windows.shape[1] < len(PHASE_WINDOWS):
            return self.windows
        return torch.cat([self.apex[:, None], self.windows], dim=1)


def create_model(
    name: str,
    *,
    shape: Sequence[int] | None = None,
    classes: int | Sequence[str] = 4,
    preset: str = "default",
    **settings: Any,
) -> nn.Module:
    """Create an untrained network. Its weights come from torch's global random number generator.

    Args:
        name: name of a network, one of `list_models()`, such as `roi_cnn`.
        shape: shape of the inputs of one clip. Defaults to the shape for the clips of the demo. Another shape
            has the same number of axes.
        classes: number of classes, or their names, which differ from each other. The motion prior needs the names.
            With a number, it gives all classes the same logit, so a network that starts from it cannot be trained.
        preset: name of a preset of the network's settings.
        **settings: keys of `models.<name>` in params.yaml.

    Returns:
        The network. It maps inputs `(N, *shape)` to logits `(N, classes)`.

    Raises:
        ConfigError: the network, preset or key does not exist, or a value is wrong.
    """
    names = _read_names(name, classes)
    count = int(classes) if isinstance(classes, int | np.integer) else len(names)
    if not 1 <= count <= _MAX_CLASSES:
        raise ConfigError(f"{name}: classes must be from 1 to {_MAX_CLASSES}, found {count}")
    sides = None if shape is None else _read_shape(name, shape)
    network = find_network(name)
    resolved = resolve(name, {"preset": preset, **settings}, name)
    inputs = network.make_inputs(_motionless_face(), resolved)
    usual = inputs.values.shape[1:]
    if sides is not None and len(sides) != len(usual):
        raise ConfigError(f"{name}: shape must have {len(usual)} axes like {usual}, found {sides}")
    regions = len(inputs.mirror)
    task = Task(
        shape=sides or usual,
        classes=count,
        names=names,
        co_occurrence=np.zeros((regions, regions), np.float32),
    )
    try:
        return network.build(task, resolved)
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"{name}: the shape {task.shape} does not fit this network and its settings: {reason}"
        ) from None


def _read_names(name: str, classes: object) -> tuple[str, ...]:
    """Return the names of the classes. They are empty if only the number of classes is given."""
    if isinstance(classes, int | np.integer) and not isinstance(classes, bool):
        return ()
    try:
        names = None if isinstance(classes, str) or not isinstance(classes, Iterable) else tuple(classes)
    except TypeError:  # an array without axes
        names = None
    if names is None or not all(isinstance(label, str) and label for label in names) or len(set(names)) < len(names):
        raise ConfigError(
            f"{name}: classes must be a whole number, or names that differ from each other, found {_show(classes)}"
        )
    return names


def _read_shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    try:
        sides = tuple(map(index, shape))
    except TypeError:
        raise ConfigError(f"{name}: shape must be a sequence of whole numbers, found {_show(shape)}") from None
    if not (sides and min(sides) > 0 and prod(sides) <= _MAX_INPUTS):
        raise ConfigError(f"{name}: shape must have 1 to {_MAX_INPUTS} numbers, found {sides}")
    return sides


def _show(value: object) -> str:
    """Return a short text in one line for any argument."""
    return " ".join(reprlib.repr(value).split())


def hybrid_inputs(
    path: Path | str,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    *,
    fps: float | None = None,
    preset: str = "default",
    **settings: Any,
) -> HybridInputs:
    """Return the inputs of the hybrid network for one clip, in px.

    The inputs are not scaled. A trained fold divides them by its own scale.

    Args:
        path: a video or a folder of frames, as for `read_clip`.
        onset: number of the frame before the movement. Spotted if None; see `read_clip`.
        apex: number of the frame where the movement peaks. Spotted if None.
        offset: number of the frame where the movement has ended. Spotted if None, unless onset and apex are given.
        fps: frames per second, which spotting needs. Defaults to the frame rate in the video file.
        preset: name of a preset of the hybrid's settings.
        **settings: keys of `models.hybrid` in params.yaml.

    Returns:
        The motion of onset→apex and of the windows.

    Raises:
        ConfigError: the preset or key does not exist, or a value is wrong.
        DatasetError: the clip cannot be read; see `read_clip`.
    """
    resolved = resolve("hybrid", {"preset": preset, **settings}, "hybrid")
    store = read_clip(path, onset, apex, offset, fps=fps)
    # Without a graph, the inputs would lack onset→apex.
    inputs = MODELS["hybrid"].make_inputs(store, resolved.model_copy(update={"graph": True}))
    values = torch.from_numpy(inputs.values)  # (1, W, R, C, s, s)
    return HybridInputs(apex=values[:, 0], windows=values[:, 1:] if inputs.windows[1:] == PHASE_WINDOWS else values)


def _motionless_face() -> FaceStore:
    """Return a black clip of the mean face without motion. Its shapes are those of any clip with default settings."""
    config = FacesConfig()
    side = config.size_px
    return FaceStore(
        clips=("",),
        crops=np.zeros((1, 2, side, side, 3), np.uint8),
        flow=np.zeros((1, len(WINDOWS), 2, side, side), np.float16),
        windows=WINDOWS,
        unit="px",
        boxes=np.array([face_boxes(config.regions, mean_face(side), side)], dtype=np.int64),
        regions=region_names(config),
    )
