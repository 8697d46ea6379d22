"""Pairs of frames with known motion, rendered from photographs that installed packages bring along.

Positions and motions are in pixels of the rendered frame, x right and y down, unless a name says fractions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from matplotlib import get_data_path
from numpy.typing import NDArray
from skimage import data
from sklearn.datasets import load_sample_image

SIDE_PX = 224
FINER = 2  # frames are rendered so many times larger, then averaged down
EDGE_PX = 8  # what enters the frame from outside is not scored
ACTIVE = 0.3  # of the amplitude: where motion is stronger, a pixel counts as active

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
Motion = Callable[[Floats], Floats]  # points (2, …) → how far each moves, (2, …)


@dataclass(frozen=True)
class Bump:
    """A patch of skin that moves by `direction` times the amplitude; centre and spreads are fractions of the frame."""

    centre: tuple[float, float]
    spread: tuple[float, float]
    direction: tuple[float, float]


@dataclass(frozen=True)
class Crop:
    """A square cut from a photograph: left, top and side in px of the photograph."""

    photograph: Callable[[], NDArray[np.uint8]]
    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Pair:
    """Two frames `(H, W, 3)` BGR and the true motion `(2, H, W)` of the first one's pixels."""

    name: str
    first: Image
    last: Image
    truth: Floats

    @property
    def active(self) -> NDArray[np.bool_]:
        """Where there is motion, `(H, W)`."""
        length = np.hypot(*self.truth)
        return np.asarray(length > ACTIVE * length.max())


def _hopper() -> Image:
    return np.asarray(cv2.imread(str(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg")), np.uint8)


def _of_sklearn(name: str) -> Callable[[], Image]:
    return lambda: np.asarray(load_sample_image(name)[..., ::-1], np.uint8)


def _of_skimage(name: str) -> Callable[[], Image]:
    return lambda: np.asarray(getattr(data, name)()[..., ::-1], np.uint8)


# Settings were tuned on the astronaut alone; nothing was ever chosen on the others.
TUNING: Mapping[str, Crop] = MappingProxyType(
    {
        "astronaut": Crop(_of_skimage("astronaut"), 0, 0, 448),
        "astronaut's face": Crop(_of_skimage("astronaut"), 150, 10, 150),
    }
)
HELD_OUT: Mapping[str, Crop] = MappingProxyType(
    {
        "Hopper": Crop(_hopper, 30, 10, 448),
        "Hopper's face": Crop(_hopper, 150, 100, 250),
        "cat": Crop(_of_skimage("cat"), 80, 0, 300),
        "coffee": Crop(_of_skimage("coffee"), 100, 0, 400),
        "temple": Crop(_of_sklearn("china.jpg"), 100, 0, 427),
        "flower": Crop(_of_sklearn("flower.jpg"), 100, 0, 427),
    }
)
AMPLITUDES_PX = (0.3, 0.5, 0.8, 1.2, 2.0, 3.0)
ACTION_UNITS: Mapping[str, tuple[Bump, ...]] = MappingProxyType(
    {
        "inner brows up": (Bump((0.50, 0.20), (0.14, 0.08), (0.0, -1.0)),),
        "brows up": (Bump((0.29, 0.19), (0.14, 0.08), (0.0, -1.0)), Bump((0.71, 0.19), (0.14, 0.08), (0.0, -1.0))),
        "brows down": (Bump((0.41, 0.22), (0.09, 0.08), (0.5, 0.9)), Bump((0.59, 0.22), (0.09, 0.08), (-0.5, 0.9))),
        "cheeks up": (Bump((0.27, 0.50), (0.14, 0.11), (0.0, -1.0)), Bump((0.73, 0.50), (0.14, 0.11), (0.0, -1.0))),
        "nose wrinkled": (Bump((0.50, 0.48), (0.09, 0.09), (0.0, -1.0)),),
        "smile": (Bump((0.33, 0.77), (0.11, 0.11), (-0.7, -0.7)), Bump((0.67, 0.77), (0.11, 0.11), (0.7, -0.7))),
        "one lip corner": (Bump((0.31, 0.75), (0.09, 0.09), (-1.0, -0.1)),),
        "chin up": (Bump((0.50, 0.88), (0.15, 0.09), (0.0, -1.0)),),
    }
)


def facial_motion(bumps: tuple[Bump, ...], amplitude_px: float) -> Motion:
    """Smooth local motion whose strongest point moves by about the amplitude."""

    def move(points: Floats) -> Floats:
        total = np.zeros_like(points)
        for bump in bumps:
            away = [(points[axis] / SIDE_PX - bump.centre[axis]) / bump.spread[axis] for axis in (0, 1)]
            weight = amplitude_px * np.exp(-0.5 * (away[0] ** 2 + away[1] ** 2))
            total += np.multiply.outer(np.array(bump.direction), weight)
        return total

    return move


def in_plane(right_px: float, down_px: float, turn_degrees: float) -> Motion:
    """A head that shifts and turns in the plane of the picture."""
    angle = np.deg2rad(turn_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def move(points: Floats) -> Floats:
        centred = points - SIDE_PX / 2
        turned = np.einsum("ij,j...->i...", turn, centred)
        shift = np.array([right_px, down_px]).reshape(2, *[1] * (points.ndim - 1))
        return np.asarray(turned - centred + shift, dtype=np.float64)

    return move


def out_of_plane(yaw_degrees: float, pitch_degrees: float) -> Motion:
    """A head that turns away: an ellipsoid of a face's proportions, seen in perspective from nine half-widths away."""
    width, height, depth = 0.55 * SIDE_PX, 0.70 * SIDE_PX, 0.45 * SIDE_PX
    camera = 9 * width
    yaw, pitch = np.deg2rad([yaw_degrees, pitch_degrees])

    def move(points: Floats) -> Floats:
        x, y = points - SIDE_PX / 2
        z = depth * np.sqrt(np.maximum(1 - (x / width) ** 2 - (y / height) ** 2, 0.05))
        near = (camera - z) / camera  # the pixel's ray meets the surface nearer than the picture's plane
        across, down = x * near, y * near
        across, z = _turn(across, z, yaw)
        down, z = _turn(down, z, pitch)
        growth = camera / (camera - z)
        return np.stack([across * growth - x, down * growth - y])

    return move


def _turn(sideways: Floats, depth: Floats, angle: float) -> tuple[Floats, Floats]:
    return sideways * np.cos(angle) + depth * np.sin(angle), depth * np.cos(angle) - sideways * np.sin(angle)


def render(name: str, crop: Crop, face: Motion, head: Motion | None = None) -> Pair:
    """A photograph before and after the face moved on the head and the head moved. The truth is the face's motion."""
    photo = crop.photograph()[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    fine = cv2.resize(photo, (SIDE_PX * FINER,) * 2, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    rows, columns = np.mgrid[0 : SIDE_PX * FINER, 0 : SIDE_PX * FINER].astype(np.float64)
    seen = (np.stack([columns, rows]) + 0.5) / FINER - 0.5

    def move(points: Floats) -> Floats:
        moved = face(points)
        return moved if head is None else moved + head(points + moved)

    start = seen
    for _ in range(20):  # where did what is seen here come from? The motion is gentle, so substitution converges
        start = seen - move(start)
    corner = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float64)[::-1]
    return Pair(name, _sample(fine, seen), _sample(fine, start), face(corner))


def _sample(fine: NDArray[np.float32], points: Floats) -> Image:
    x, y = ((points + 0.5) * FINER - 0.5).astype(np.float32)
    large = cv2.remap(fine, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    small = cv2.resize(large, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small.round(), 0, 255), np.uint8)


def _noise(image: Image, sigma: float, random: np.random.Generator) -> Image:
    return np.asarray(np.clip((image + random.normal(0, sigma, image.shape)).round(), 0, 255), np.uint8)


def _jpeg(image: Image) -> Image:
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def _light(image: Image) -> Image:
    """Gain 1.03, 3 levels brighter, and 4 levels from one side to the other either way."""
    ramp = np.linspace(-4, 4, image.shape[1])[None, :, None]
    return np.asarray(np.clip((image * 1.03 + 3 + ramp).round(), 0, 255), np.uint8)


CONDITIONS = ("clean", "noise", "jpeg", "light", "heavy noise")


def degrade(pair: Pair, condition: str, random: np.random.Generator) -> Pair:
    """The pair as a camera has it. Noise has sigma 2 a channel, heavy noise 5; JPEG and light come with noise."""
    if condition == "clean":
        return pair
    sigma = 5.0 if condition == "heavy noise" else 2.0
    last = _light(pair.last) if condition == "light" else pair.last
    first, last = (_noise(image, sigma, random) for image in (pair.first, last))
    if condition == "jpeg":
        first, last = _jpeg(first), _jpeg(last)
    return Pair(pair.name, first, last, pair.truth)


def facial_pairs(crops: Mapping[str, Crop]) -> list[Pair]:
    """Every action unit on every crop; amplitudes take turns."""
    return [
        render(
            f"{photograph}, {unit}",
            crop,
            facial_motion(bumps, AMPLITUDES_PX[(row + column + row // 6) % len(AMPLITUDES_PX)]),
        )
        for row, (photograph, crop) in enumerate(crops.items())
        for column, (unit, bumps) in enumerate(ACTION_UNITS.items())
    ]
