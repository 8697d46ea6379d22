"""Draw fields of motion on the square: bumps of skin, the rest of the head's motion, and errors of the flow.

Axes: N clips · W windows · B bumps · S pixels along a side. Places are fractions of the side of the square.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.skin import GAZE, SKIN_MOTION, UNITS
from microfacial.datasets.drawn_motion.variation import Variation
from microfacial.datasets.synthetic.geometry import EYE_LINE, MIDLINE

# The standard face on the square: place of the middle between the eyes, and sides per face unit, horizontally and
# vertically. Half the distance of the eyes is .27 of the width, and the eyes lie .27 below the upper edge. These are
# means over the crops of CASME II and SMIC for which flow maps were published; see preprocessing/faces.py.
EYES_X, EYES_Y = 0.5, 0.27
WIDTH_PER_UNIT, HEIGHT_PER_UNIT = 0.14 / 28, 0.128 / 28

# A bump is 1 / (1 + r²)² at r radii from its centre, see `displace`. The sum of two Gaussians, weight and exponent, is
# within .01 of it. Gaussians are products of a row and a column, so a field of bumps is a product of matrices.
_GAUSSIANS = ((0.7, 2.435), (0.3, 0.498))
_SYMMETRY = 0.75  # correlation of the two sides of a face
_NOISE_GRIDS = (4, 7, 14)  # points along a side of the smooth errors
_MIDLINE, _LEFT, _RIGHT = range(3)  # places of a bump, as in `draw_strengths`


def draw_bumps(strengths: Tensor, size_px: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Draw the motion of the skin of one face per clip.

    Args:
        strengths: change of each unit over each window, `(N, W, U, 3)`; see `draw_strengths`.
        size_px: side of the square, S.
        variation: spread of the places and forms of bumps.
        random: source of random numbers.

    Returns:
        Motion to the right and down in face units, `(N, W, 2, S, S)`.
    """
    clips, windows = strengths.shape[:2]
    unit, place, bumps = (tensor.to(random.device) for tensor in _bump_table())
    gains = strengths[:, :, unit, place]  # (N, W, B)
    right = torch.where(place == _RIGHT, -1.0, 1.0)
    turn = variation.direction_rad * right * _nearly_symmetric(clips, place, random)
    dx = bumps[:, 4] * turn.cos() - bumps[:, 5] * turn.sin()
    dy = bumps[:, 4] * turn.sin() + bumps[:, 5] * turn.cos()
    aside = variation.centre * right * _nearly_symmetric(clips, place, random)
    below = variation.centre * _nearly_symmetric(clips, place, random)
    radius = torch.exp(variation.radius * _nearly_symmetric(clips, place, random))
    size = torch.exp(variation.scale * random.normal(2, clips, 1))
    shift = variation.place * random.normal(2, clips, 1)
    width, height = WIDTH_PER_UNIT * size[0], HEIGHT_PER_UNIT * size[1]
    columns = EYES_X + shift[0] + width * (bumps[:, 0] + aside)
    rows = EYES_Y + shift[1] + height * (bumps[:, 1] + below)
    wide, high = width * bumps[:, 2] * radius, height * bumps[:, 3] * radius
    chosen = _strongest(gains)
    gains, dx, dy, columns, rows, wide, high = (
        values.gather(-1, chosen[:, None].expand(-1, windows, -1) if values.ndim == 3 else chosen)
        for values in (gains, dx, dy, columns, rows, wide, high)
    )
    pixels = _pixel_places(size_px).to(random.device)
    across = ((pixels - columns[..., None]) / wide[..., None]) ** 2  # (N, B, S)
    down = ((pixels - rows[..., None]) / high[..., None]) ** 2
    moves = torch.stack([gains * dx[:, None], gains * dy[:, None]], dim=2)[..., None]  # (N, W, 2, B, 1)
    total = torch.zeros(clips, windows * 2 * size_px, size_px, device=random.device)
    for weight, exponent in _GAUSSIANS:
        vertical = (weight * torch.exp(-exponent * down))[:, None, None] * moves  # (N, W, 2, B, S)
        total += vertical.transpose(3, 4).flatten(1, 3) @ torch.exp(-exponent * across)
    return total.view(clips, windows, 2, size_px, size_px)


def draw_head_motion(clips: int, windows: int, size_px: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Draw the head motion that the flow still contains: a polynomial of second order in the place.

    Args:
        clips: number of clips, N.
        windows: number of windows, W.
        size_px: side of the square, S.
        variation: spread of the head's motion.
        random: source of random numbers.

    Returns:
        Motion to the right and down in face units, `(N, W, 2, S, S)`.
    """
    side = 2 * _pixel_places(size_px).to(random.device) - 1
    constant = torch.ones_like(side)
    fields = torch.stack(
        [
            torch.outer(down, across)
            for down, across in (
                (constant, constant),
                (constant, side),
                (side, constant),
                (side, 0.7 * side),
                (constant, 0.7 * side**2),
                (0.7 * side**2, constant),
            )
        ]
    )
    mean, spread = variation.head
    size = torch.exp(mean + spread * random.normal(clips, 1, 1, 1))
    return torch.einsum("nwcf,fyx->nwcyx", size * random.normal(clips, windows, 2, len(fields)), fields)


def draw_errors(clips: int, windows: int, size_px: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Draw the errors of a flow method: smooth at three scales, and larger where skin has little texture.

    Args:
        clips: number of clips, N.
        windows: number of windows, W.
        size_px: side of the square, S.
        variation: size and smoothness of the errors.
        random: source of random numbers.

    Returns:
        Errors to the right and down in face units, `(N, W, 2, S, S)`.
    """
    total = variation.pixel_noise * 4 * random.normal(clips, windows, 2, size_px, size_px)
    for points in _NOISE_GRIDS:
        spread = _interpolation(points, size_px).to(random.device)
        total += 0.7 * (spread @ random.normal(clips, windows, 2, points, points) @ spread.T)
    coarse = _interpolation(4, size_px).to(random.device)
    smoothness = torch.exp(variation.texture * (coarse @ random.normal(clips, 1, 1, 4, 4) @ coarse.T))
    mean, level = variation.noise
    return total * smoothness * torch.exp(mean + level * random.normal(clips, 1, 1, 1, 1))


def draw_edges(clips: int, size_px: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Draw how the flow fades towards an edge of the frame, which lies inside the square in some clips.

    Args:
        clips: number of clips, N.
        size_px: side of the square, S.
        variation: share of clips whose flow fades.
        random: source of random numbers.

    Returns:
        Factors from 0 to 1, `(N, 1, 1, S, S)`.
    """
    places = _pixel_places(size_px).to(random.device)
    distances = torch.stack([places, 1 - places])  # from the left and right, or from the upper and lower edge
    depth = 0.02 + 0.1 * random.uniform(clips, 2, 2, 1)
    fades = random.uniform(clips, 1, 1, 1) < variation.fading_edges
    chosen = fades & (random.uniform(clips, 2, 2, 1) < 0.5)
    factors = torch.where(chosen, ((distances - depth / 2) / depth).clamp(0, 1), 1.0).prod(2)  # (N, 2, S)
    return (factors[:, 1, :, None] * factors[:, 0, None, :])[:, None, None]


def _nearly_symmetric(clips: int, place: Tensor, random: RandomNumbers) -> Tensor:
    """Return normal numbers, `(N, B)`. Those of a bump and of its mirror image are correlated.

    Args:
        clips: number of clips, N.
        place: place of each of B bumps. A bump on the right follows its mirror image on the left.
        random: source of random numbers.
    """
    own, shared = random.normal(2, clips, len(place))
    first = torch.arange(len(place), device=place.device) - (place == _RIGHT).long()  # the bump of a pair on the left
    return (1 - _SYMMETRY) ** 0.5 * own + _SYMMETRY**0.5 * shared[:, first]


@cache
def _bump_table() -> tuple[Tensor, Tensor, Tensor]:
    """Return all B bumps of both sides: index of the unit, place, and side, row, radii and motion `(B, 6)`.

    Sides count from the midline to the right and rows from the eyes, both in face units.
    """
    rows = []
    for unit, bumps in SKIN_MOTION.items():
        for bump in bumps:
            mirrored = bump.mirrored() if unit != GAZE else bump.mirrored().scaled(-1)
            pairs = [(_MIDLINE, bump)] if bump.x == MIDLINE else [(_LEFT, bump), (_RIGHT, mirrored)]
            rows += [
                (UNITS.index(unit), place, (b.x - MIDLINE, b.y - EYE_LINE, b.rx, b.ry, b.dx, b.dy))
                for place, b in pairs
            ]
    units, places, values = zip(*rows, strict=True)
    return torch.tensor(units), torch.tensor(places), torch.tensor(values, dtype=torch.float32)


def _strongest(gains: Tensor) -> Tensor:
    """Return the indices of the M bumps that move, `(N, M)`, from the gains `(N, W, B)`. M fits all clips."""
    moving = (gains != 0).any(1)
    most = max(1, int(moving.sum(1).max())) if len(gains) else 1
    return moving.float().topk(most, dim=1).indices


def _pixel_places(size_px: int) -> Tensor:
    """Return the centres of pixels along a side, `(S,)`, from 0 to 1."""
    return (torch.arange(size_px) + 0.5) / size_px


@cache
def _interpolation(points: int, size_px: int) -> Tensor:
    """Return the matrix `(S, points)` that interpolates a row of values smoothly."""
    return interpolate(torch.eye(points)[None, None], size=(size_px, points), mode="bicubic")[0, 0]
