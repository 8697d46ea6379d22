"""The motion prior: a small network that was trained on drawn motion only. No face was used.

    u and v (n, 2, s, s) ─▶ one scale per channel, 14×14 ─▶ 392 ─▶ hidden ─▶ hidden ─▶ emotions (n, E), units (n, U)

Each channel is centred by its median and divided by its mean magnitude, so the unit of the motion does not matter and
stretched maps are as good as pixels. A prediction is the mean of those for a face and for its mirror image.

`microfacial pretrain` makes the weights (`training.pretraining`). Their card is `weights/motion_prior.md`.

Source: rectified linear units, Glorot et al., AISTATS 2011; the drawings are described in `datasets.drawn_motion`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.drawn_motion.emotions import EMOTIONS, emotions_of_class
from microfacial.disk import read_content
from microfacial.errors import ConfigError, DamagedError
from microfacial.files import refuse_damaged
from microfacial.formats import parse_weights
from microfacial.records import FloatArray

PRIOR_WEIGHTS = Path(__file__).parent / "weights" / "motion_prior.safetensors"
PRIOR_SHA256 = "c37f7c751794c549b9ce5cb0339fa8a4443771e83ac17e43ea3776b1da7e88d3"
"""Digest of the weights in the package."""

INPUT_PX = 28
"""Side of the maps that variants give to the network. The network halves it."""

GRID_PX = 14
"""Side of the maps that the network reads."""

_Maps = NDArray[np.float32]
GREATEST = 6.0  # longer motion is shortened to this, in mean magnitudes
SMALLEST = 1e-9  # mean magnitude of a map without motion
PRIOR_ARRAYS = (
    "first.weight",
    "first.bias",
    "second.weight",
    "second.bias",
    "heads.weight",
    "heads.bias",
    "units",
    "prior",
)


@dataclass(frozen=True, kw_only=True)
class MotionPrior:
    """The weights of the motion prior.

    Attributes:
        arrays: weights `(out, in)` and biases `(out,)` of three layers, float32; `units`, the numbers of the action
            units, `(U,)` int64; `prior`, the share of each emotion among the drawn clips, `(E,)` float32.
    """

    arrays: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path = PRIOR_WEIGHTS, sha256: str = PRIOR_SHA256) -> Self:
        """Read weights from a file.

        Args:
            path: file that `microfacial pretrain` wrote.
            sha256: digest that the file must have. An empty text accepts any digest.

        Raises:
            StorageError: the file is missing or damaged, or has another digest or other arrays.
        """
        with refuse_damaged(path, "Install MicroFacial again, or run `microfacial pretrain`"):
            content = read_content(path)
            if sha256 and hashlib.sha256(content).hexdigest() != sha256:
                raise DamagedError("its digest differs from that of this version of MicroFacial")
            arrays = parse_weights(content)
            if sorted(arrays) != sorted(PRIOR_ARRAYS):
                raise DamagedError(f"it has the arrays {', '.join(sorted(arrays))}")
            if arrays["heads.bias"].shape != (len(EMOTIONS) + len(arrays["units"]),):
                raise DamagedError("its emotions are not those of this version of MicroFacial")
        return cls(arrays=arrays)

    @property
    def units(self) -> tuple[int, ...]:
        """Numbers of the U action units whose probabilities the network returns."""
        return tuple(self.arrays["units"].tolist())

    def unit_probabilities(self, maps: _Maps) -> FloatArray:
        """Return the probability that each action unit moves, `(n, U)`, in the order of `units`.

        Args:
            maps: motion to the right, motion down and possibly further channels, `(n, C, s, s)`, in any unit.
        """
        face, mirrored = (1 / (1 + np.exp(-scores[:, len(EMOTIONS) :])) for scores in self._scores(maps))
        return (face + mirrored) / 2

    def half_scores(self, maps: _Maps) -> tuple[FloatArray, FloatArray]:
        """Return logits of the action units for each half of the face, completed by its own mirror image.

        Args:
            maps: see `unit_probabilities`.

        Returns:
            Logits for the half on the left of the picture, and for the half on its right, `(n, U)` each.
        """
        motion = prior_features(maps)
        mirrored = _mirror(motion)
        middle = GRID_PX // 2
        left, right = (
            np.concatenate([half[..., :middle], other[..., middle:]], axis=-1)
            for half, other in ((motion, mirrored), (mirrored, motion))
        )
        return self._run(left)[:, len(EMOTIONS) :], self._run(right)[:, len(EMOTIONS) :]

    def class_probabilities(self, maps: _Maps, shares: FloatArray) -> FloatArray:
        """Return the probability of each class, `(n, K)`. All classes are equally frequent beforehand.

        Args:
            maps: see `unit_probabilities`.
            shares: share of each emotion in each of K classes, `(K, E)`; see `emotion_shares`.
        """
        weights = shares / self.arrays["prior"]  # (K, E)
        total = np.zeros((len(maps), len(shares)))
        for scores in self._scores(maps):
            logits = scores[:, : len(EMOTIONS)]
            emotions = np.exp(logits - logits.max(axis=1, keepdims=True))  # (n, E)
            support = emotions @ weights.T
            total += support / support.sum(axis=1, keepdims=True)
        return total / total.sum(axis=1, keepdims=True)

    def _scores(self, maps: _Maps) -> tuple[FloatArray, FloatArray]:
        """Return the outputs of both heads for faces and for their mirror images, `(n, E + U)` each."""
        motion = prior_features(maps)  # (n, 2, 14, 14)
        return self._run(motion), self._run(_mirror(motion))

    def _run(self, motion: _Maps) -> FloatArray:
        values = motion.reshape(-1, 2 * GRID_PX**2).astype(np.float64)
        for layer in ("first", "second"):
            values = np.maximum(values @ self.arrays[f"{layer}.weight"].T + self.arrays[f"{layer}.bias"], 0)
        scores: FloatArray = values @ self.arrays["heads.weight"].T + self.arrays["heads.bias"]
        return scores


@lru_cache
def load_prior() -> MotionPrior:
    """Read the weights in the package, once per process.

    Raises:
        StorageError: the file is missing or damaged.
    """
    return MotionPrior.read()


def emotion_shares(classes: tuple[str, ...]) -> FloatArray:
    """Return the share of each emotion in each class, `(K, E)`. Each row sums to 1.

    Args:
        classes: names of the K classes, as in a label scheme.

    Raises:
        ConfigError: a class is not an emotion or a group of emotions.
    """
    shares = np.zeros((len(classes), len(EMOTIONS)))
    for row, name in zip(shares, classes, strict=True):
        members = emotions_of_class(name)
        if not members:
            raise ConfigError(
                f"the motion prior has no emotion for the class {name!r}. Remove the model motion_prior, set start "
                "of networks to null and prior_share of hybrid to 0, or use a scheme whose classes are among "
                f"{', '.join(EMOTIONS)}, positive and negative"
            )
        for emotion, share in members.items():
            row[list(EMOTIONS).index(emotion)] = share
    return shares


def prior_features(maps: _Maps) -> _Maps:
    """Return the inputs of the network: motion without its zero and its scale, on the grid of the network.

    Args:
        maps: motion to the right, motion down and possibly further channels, `(n, C, s, s)`, in any unit.

    Returns:
        `(n, 2, 14, 14)` float32.
    """
    if not len(maps):
        return np.zeros((0, 2, GRID_PX, GRID_PX), np.float32)
    motion = np.stack([_shrink(rows[:2]) for rows in maps])
    motion = motion - np.median(motion, axis=(2, 3), keepdims=True)
    size = np.abs(motion).mean(axis=(2, 3), keepdims=True)
    return np.clip(motion / np.maximum(size, SMALLEST), -GREATEST, GREATEST).astype(np.float32)


def _mirror(motion: _Maps) -> _Maps:
    """Return the mirror image of motion `(n, 2, s, s)`, in which motion to the right is motion to the left."""
    return motion[..., ::-1] * np.array([-1, 1], np.float32)[:, None, None]


def _shrink(motion: _Maps) -> _Maps:
    """Resize motion `(2, h, w)` to the grid: by averaging to shrink, by interpolation to enlarge."""
    method = cv2.INTER_AREA if min(motion.shape[1:]) >= GRID_PX else cv2.INTER_LINEAR
    resized = cv2.resize(motion.transpose(1, 2, 0), (GRID_PX, GRID_PX), interpolation=method)
    return np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)
