"""Pairs of frames with known motion, rendered from photographs in installed packages.

Positions and motions are in pixels of the rendered frame, unless a comment gives another unit. x points right, y down.
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

from microfacial.records import FloatArray, Image

SIDE_PX = 224
FINER = 2  # frames are rendered at this multiple of their size, then averaged down
EDGE_PX = 8  # width of the border that is not scored: content from outside the frame enters there
ACTIVE = 0.3  # a pixel is active if it moves by more than this fraction of the largest motion

Motion = Callable[[FloatArray], FloatArray]  # points (2, …) → displacement of each point, (2, …)


@dataclass(frozen=True)
class Bump:
    """An area of skin that moves smoothly.

    Attributes:
        centre: x and y of the centre, as fractions of the frame.
        spread: standard deviations in x and y, as fractions of the frame.
        direction: motion of the centre in x and y, as a multiple of the amplitude.
    """

    centre: tuple[float, float]
    spread: tuple[float, float]
    direction: tuple[float, float]


@dataclass(frozen=True)
class Crop:
    """A square part of a photograph.

    Attributes:
        photograph: function that returns the photograph, `(H, W, 3)` uint8 BGR.
        left: left edge, in px of the photograph.
        top: upper edge, in px of the photograph.
        side: side length, in px of the photograph.
    """

    photograph: Callable[[], Image]
    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Pair:
    """Two frames and the true motion between them.

    Attributes:
        name: name of the pair.
        first: frame before the motion, `(H, W, 3)` uint8 BGR.
        last: frame after the motion, `(H, W, 3)` uint8 BGR.
        truth: displacement of each pixel of the first frame, `(2, H, W)` float64, in px.
    """

    name: str
    first: Image
    last: Image
    truth: FloatArray

    @property
    def active(self) -> NDArray[np.bool_]:
        """Mask of the pixels that move, `(H, W)` bool."""
        length = np.hypot(*self.truth)
        return np.asarray(length > ACTIVE * length.max())


def _hopper() -> Image:
    return np.asarray(cv2.imread(str(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg")), np.uint8)


def _from_sklearn(name: str) -> Callable[[], Image]:
    return lambda: np.asarray(load_sample_image(name)[..., ::-1], np.uint8)


def _from_skimage(name: str) -> Callable[[], Image]:
    return lambda: np.asarray(getattr(data, name)()[..., ::-1], np.uint8)


# Settings were tuned on the astronaut alone. No setting was ever chosen on the other photographs.
TUNING: Mapping[str, Crop] = MappingProxyType(
    {
        "astronaut": Crop(_from_skimage("astronaut"), 0, 0, 448),
        "astronaut's face": Crop(_from_skimage("astronaut"), 150, 10, 150),
    }
)
HELD_OUT: Mapping[str, Crop] = MappingProxyType(
    {
        "Hopper": Crop(_hopper, 30, 10, 448),
        "Hopper's face": Crop(_hopper, 150, 100, 250),
        "cat": Crop(_from_skimage("cat"), 80, 0, 300),
        "coffee": Crop(_from_skimage("coffee"), 100, 0, 400),
        "temple": Crop(_from_sklearn("china.jpg"), 100, 0, 427),
        "flower": Crop(_from_sklearn("flower.jpg"), 100, 0, 427),
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
    """Return a smooth local motion.

    Args:
        bumps: areas of skin that move.
        amplitude_px: approximate motion of the point that moves most, in px.
    """

    def move(points: FloatArray) -> FloatArray:
        total = np.zeros_like(points)
        for bump in bumps:
            away = [(points[axis] / SIDE_PX - bump.centre[axis]) / bump.spread[axis] for axis in (0, 1)]
            weight = amplitude_px * np.exp(-0.5 * (away[0] ** 2 + away[1] ** 2))
            total += np.multiply.outer(np.array(bump.direction), weight)
        return total

    return move


def in_plane(right_px: float, down_px: float, turn_degrees: float) -> Motion:
    """Return the motion of a head that shifts and turns in the plane of the picture.

    Args:
        right_px: shift to the right, in px.
        down_px: shift down, in px.
        turn_degrees: clockwise turn about the centre of the frame, in degrees.
    """
    angle = np.deg2rad(turn_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def move(points: FloatArray) -> FloatArray:
        centred = points - SIDE_PX / 2
        turned = np.einsum("ij,j...->i...", turn, centred)
        shift = np.array([right_px, down_px]).reshape(2, *[1] * (points.ndim - 1))
        displacement: FloatArray = turned - centred + shift
        return displacement

    return move


def out_of_plane(yaw_degrees: float, pitch_degrees: float) -> Motion:
    """Return the motion of a head that turns out of the plane of the picture.

    The head is an ellipsoid with the proportions of a face. The camera is nine half-widths away, in perspective.

    Args:
        yaw_degrees: turn about the vertical axis, in degrees.
        pitch_degrees: turn about the horizontal axis, in degrees.
    """
    width, height, depth = 0.55 * SIDE_PX, 0.70 * SIDE_PX, 0.45 * SIDE_PX
    camera = 9 * width
    yaw, pitch = np.deg2rad([yaw_degrees, pitch_degrees])

    def move(points: FloatArray) -> FloatArray:
        x, y = points - SIDE_PX / 2
        z = depth * np.sqrt(np.maximum(1 - (x / width) ** 2 - (y / height) ** 2, 0.05))
        near = (camera - z) / camera  # the ray of the pixel meets the surface in front of the picture plane
        across, down = x * near, y * near
        across, z = _turn(across, z, yaw)
        down, z = _turn(down, z, pitch)
        growth = camera / (camera - z)
        return np.stack([across * growth - x, down * growth - y])

    return move


def _turn(sideways: FloatArray, depth: FloatArray, angle: float) -> tuple[FloatArray, FloatArray]:
    return sideways * np.cos(angle) + depth * np.sin(angle), depth * np.cos(angle) - sideways * np.sin(angle)


def render(name: str, crop: Crop, face: Motion, head: Motion | None = None) -> Pair:
    """Render a photograph before and after a motion of the face and of the head.

    Args:
        name: name of the pair.
        crop: part of the photograph.
        face: motion of the face on the head. It is the true motion of the pair.
        head: motion of the head, which is applied after that of the face; None for a head at rest.
    """
    photo = crop.photograph()[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    fine = cv2.resize(photo, (SIDE_PX * FINER,) * 2, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    rows, columns = np.mgrid[0 : SIDE_PX * FINER, 0 : SIDE_PX * FINER].astype(np.float64)
    target = (np.stack([columns, rows]) + 0.5) / FINER - 0.5

    def move(points: FloatArray) -> FloatArray:
        moved = face(points)
        return moved if head is None else moved + head(points + moved)

    source = target
    for _ in range(20):  # solve source + move(source) = target. The motion is gentle, so substitution converges
        source = target - move(source)
    pixels = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float64)[::-1]
    return Pair(name, _sample(fine, target), _sample(fine, source), face(pixels))


def _sample(fine: NDArray[np.float32], points: FloatArray) -> Image:
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
    """Apply a gain of 1.03, add 3 grey levels, and add a ramp from -4 at the left to 4 at the right."""
    ramp = np.linspace(-4, 4, image.shape[1])[None, :, None]
    return np.asarray(np.clip((image * 1.03 + 3 + ramp).round(), 0, 255), np.uint8)


CONDITIONS = ("clean", "noise", "jpeg", "light", "heavy noise")


def degrade(pair: Pair, condition: str, random: np.random.Generator) -> Pair:
    """Return a pair with the degradations of a camera.

    Args:
        pair: pair without degradations.
        condition: one of `CONDITIONS`. Noise has a standard deviation of 2 grey levels per channel, heavy noise 5. The
            conditions `jpeg` and `light` include noise. `light` changes only the last frame.
        random: source of the noise.
    """
    if condition == "clean":
        return pair
    sigma = 5.0 if condition == "heavy noise" else 2.0
    last = _light(pair.last) if condition == "light" else pair.last
    first, last = (_noise(image, sigma, random) for image in (pair.first, last))
    if condition == "jpeg":
        first, last = _jpeg(first), _jpeg(last)
    return Pair(pair.name, first, last, pair.truth)


def facial_pairs(crops: Mapping[str, Crop]) -> list[Pair]:
    """Render every action unit on every crop. The amplitudes alternate.

    Args:
        crops: crops by name.
    """
    return [
        render(
            f"{photograph}, {unit}",
            crop,
            facial_motion(bumps, AMPLITUDES_PX[(row + column + row // 6) % len(AMPLITUDES_PX)]),
        )
        for row, (photograph, crop) in enumerate(crops.items())
        for column, (unit, bumps) in enumerate(ACTION_UNITS.items())
    ]
