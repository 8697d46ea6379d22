"""Parse action units in the annotators' notation, and find the regions that they move.

    4+7          two units                     L12, R12    on the left, on the right; 12L is the same as L12
    7C           intensity C (of A to E)       A12         stronger on one side; 12A is an intensity
    T18, B18     top lip only, bottom lip only U12         on one side, which is not given
    L12 or L14   one of several units          A/L12       stronger on one side, or on the left only
    10A/B        one of two intensities        ref(7B)     present in the resting face
    4(k)         held throughout the clip      4?, ?4      doubtful
    AU12, AD31   a unit, an action descriptor  M58, GB80   a movement of the head, a gross behaviour

A plus sign, a comma, a semicolon, an ampersand or a line end joins terms; their full-width forms do too. `or` and `/`
bind more tightly than these. A term that is not a unit, such as `soft focus` or a single `?`, is kept as text.

Source: Ekman & Friesen, Facial Action Coding System, 1978, for the units; Ekman, Friesen, Hager, 2002, for sides,
intensities and the skin that a unit moves.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

Side = Literal["left", "right", "asymmetric", "unilateral", "top", "bottom"]
Intensity = Literal["A", "B", "C", "D", "E"]

UNIT_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "inner brow raiser",
        2: "outer brow raiser",
        4: "brow lowerer",
        5: "upper lid raiser",
        6: "cheek raiser",
        7: "lid tightener",
        9: "nose wrinkler",
        10: "upper lip raiser",
        12: "lip corner puller",
        14: "dimpler",
        15: "lip corner depressor",
        16: "lower lip depressor",
        17: "chin raiser",
        20: "lip stretcher",
        23: "lip tightener",
        24: "lip pressor",
        25: "lips part",
        26: "jaw drop",
    }
)
"""Names of the most frequent action units, by their numbers in the Facial Action Coding System."""

SCORED_UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)
"""Units that models of the task `units` recognise: those of the protocol CD6ME, Varanka et al., arXiv:2211.11425."""

_SIDES: dict[str, Side] = {
    "L": "left",
    "R": "right",
    "A": "asymmetric",
    "U": "unilateral",
    "T": "top",
    "B": "bottom",
}
_INTENSITIES: dict[str, Intensity] = {"A": "A", "B": "B", "C": "C", "D": "D", "E": "E"}
_UNIT = re.compile(
    r"""
    (?P<doubt>\?)? \s*
    (?P<sides>[LRATBU](?:/[LRATBU])*(?=\s*(?:AU|AD|[0-9])))? \s*
    (?:AU|AD|GB|M)? \s*
    (?P<inner>[LRATBU](?:/[LRATBU])*)? \s*
    0?(?P<number>[1-9][0-9]?)
    (?P<intensity>[A-E](?:/[A-E](?!\s*[0-9/]))*)?
    (?P<outer>[LR])?
    (?P<marks>(?:\s*(?:\(k\)|\(\?\)|\?))*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BRACKETED = re.compile(rf"\(\s*{_UNIT.pattern}\s*\)(?P<after>(?:\s*\?)*)", re.IGNORECASE | re.VERBOSE)
_GROUP = re.compile(
    r"(?P<reference>ref)?\s*\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)(?P<doubt>\s*\?)?", re.IGNORECASE
)
_OR = re.compile(r"\s*(?:/|(?<![a-z])or(?![a-z]))\s*", re.IGNORECASE)
_JOINTS = "+,;&\n、"
_FULL_WIDTH = {0x3000: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}}


@dataclass(frozen=True, kw_only=True)
class ActionUnit:
    """One action unit of an annotation.

    Attributes:
        number: number of the unit in the Facial Action Coding System.
        side: side of the face; None if the annotation gives none. Left is the person's left.
        intensity: A (weakest) to E; None if the annotation gives none.
        alternatives: other units, if the annotators could not tell which one it was.
        reference: whether the unit is present in the resting face.
        static: whether the unit is held throughout the clip.
        doubtful: whether the annotators were uncertain about the unit.
    """

    number: int
    side: Side | None = None
    intensity: Intensity | None = None
    alternatives: tuple["ActionUnit", ...] = ()
    reference: bool = False
    static: bool = False
    doubtful: bool = False


def parse_action_units(text: str) -> tuple[ActionUnit | str, ...]:
    """Parse an annotation of action units.

    Args:
        text: annotation; see the module for its notation.

    Returns:
        Units in the order of the text. A term that is not a unit is returned as text. Empty if the annotation is empty.
    """
    return tuple(_parse_terms(text.translate(_FULL_WIDTH)))


def label_units(text: str, units: Sequence[int]) -> tuple[float, ...]:
    """Return whether each of some units moves according to an annotation.

    Units that are held throughout the clip and units of the resting face do not move. It is unknown whether a doubtful
    unit moves, which of several alternatives does, and whether the numbers in a term that is not a unit are units.

    Args:
        text: annotation; see the module for its notation.
        units: numbers of the units.

    Returns:
        For each unit, 1 if it moves, 0 if it does not, and NaN if that is unknown. All are NaN if the annotation has no
        unit, because a clip without annotation does not show that nothing moves.
    """
    parsed = parse_action_units(text)
    terms = [term for term in parsed if isinstance(term, ActionUnit)]
    unread = " ".join(term for term in parsed if isinstance(term, str))
    certain, possible = set(), set(map(int, re.findall("[0-9]+", unread)))
    for term in terms:
        choices = (term, *term.alternatives)
        moving = [choice for choice in choices if not (choice.static or choice.reference)]
        numbers = {choice.number for choice in moving}
        possible |= numbers
        if len(numbers) == 1 and len(moving) == len(choices) and not any(choice.doubtful for choice in choices):
            certain |= numbers
    if not terms:
        return (math.nan,) * len(units)
    return tuple(1.0 if unit in certain else math.nan if unit in possible else 0.0 for unit in units)


def moved_regions(text: str, regions: Sequence[str]) -> tuple[bool, ...]:
    """Return which regions the annotated action units move.

    Doubtful units, units that are held throughout the clip, and units of the resting face move nothing. If a unit has
    alternatives, only the regions that all of them move are counted.

    Left in an annotation is the person's left. Left in the name of a region is the left of the image. So L4 moves the
    right brow.

    Args:
        text: annotation; see the module for its notation.
        regions: names of the regions, such as `mouth` or `left brow`.

    Returns:
        Whether each region is moved. All are False if the annotation is empty.
    """
    units = [term for term in parse_action_units(text) if isinstance(term, ActionUnit)]
    places = {place for unit in units for place in _moved_places(unit)}
    return tuple(_PLACE_OF_REGION.get(region) in places for region in regions)


def _parse_terms(text: str) -> Iterator[ActionUnit | str]:
    """Yield the units of an annotation, and text for terms that are not units."""
    for term in filter(None, map(str.strip, _split(text))):
        group = _GROUP.fullmatch(term)
        if group is None:
            yield _parse_choice(term) or term
        else:
            marks = {name: True for name in ("reference", "doubtful") if group["doubt" if name == "doubtful" else name]}
            yield from (_mark(inner, marks) for inner in _parse_terms(group["inside"]))


def _mark(term: ActionUnit | str, marks: dict[str, bool]) -> ActionUnit | str:
    """Mark a unit and its alternatives, for example as present in the resting face."""
    if isinstance(term, str) or not marks:
        return term
    others = tuple(replace(other, **marks) for other in term.alternatives)  # type: ignore[arg-type]
    return replace(term, alternatives=others, **marks)  # type: ignore[arg-type]


def _parse_choice(term: str) -> ActionUnit | None:
    """Return the first unit of a term, with the other units of the term as alternatives. None if it is not a unit."""
    choices: list[ActionUnit] = []
    place = 0
    while True:
        match = _BRACKETED.match(term, place) or _UNIT.match(term, place)
        if match is None:
            return None
        choices += _list_choices(match)
        if match.end() == len(term):
            return replace(choices[0], alternatives=tuple(choices[1:]))
        joint = _OR.match(term, match.end())
        if joint is None:
            return None
        place = joint.end()


def _list_choices(match: re.Match[str]) -> Iterator[ActionUnit]:
    """Yield a unit once per possible side and intensity."""
    groups = match.groupdict()
    sides = "/".join(filter(None, (groups["sides"], groups["inner"], groups["outer"]))).upper()
    for side in sides.split("/"):
        for intensity in (groups["intensity"] or "").upper().split("/"):
            yield ActionUnit(
                number=int(groups["number"]),
                side=_SIDES.get(side),
                intensity=_INTENSITIES.get(intensity),
                static="(k)" in groups["marks"].lower(),
                doubtful="?" in f"{groups['doubt']}{groups['marks']}{groups.get('after')}",
            )


def _split(text: str) -> Iterator[str]:
    """Yield the pieces of a text between the joints that are outside of all brackets."""
    depth = start = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character in _JOINTS:
            yield text[start:place]
            start = place + 1
    yield text[start:]


# --- regions ----------------------------------------------------------------------------------------------------------

_FacePart = Literal["brow", "eye", "nose", "cheek", "mouth"]
_FacePlace = tuple[_FacePart, Side | None]  # a part of the face, and the person's side of it; None: both sides together

_PARTS_BY_UNIT: Mapping[int, tuple[_FacePart, ...]] = MappingProxyType(
    {
        **dict.fromkeys((1, 2, 4), ("brow",)),
        **dict.fromkeys((5, 7, *range(41, 47), *range(61, 67)), ("eye",)),  # lids; drooping or closed lids; gaze
        6: ("eye", "cheek"),
        9: ("nose", "brow"),  # the muscle that wrinkles the nose lowers the inner brows too
        **dict.fromkeys((10, 11, 12, 13), ("mouth", "cheek")),  # with the lip, they lift or deepen the front cheek
        **dict.fromkeys((8, *range(14, 21), *range(22, 31), 32, 36, 37), ("mouth",)),  # lips, chin, jaw, tongue
        **dict.fromkeys((33, 34, 35), ("cheek",)),  # blown, puffed, sucked in
        **dict.fromkeys((38, 39), ("nose",)),  # nostrils
    }
)

_PLACE_OF_REGION: Mapping[str, _FacePlace] = MappingProxyType(
    {
        "eyes": ("eye", None),
        "eyebrows": ("brow", None),
        "mouth": ("mouth", None),
        "nose": ("nose", None),
        "left eye": ("eye", "right"),
        "right eye": ("eye", "left"),
        "left brow": ("brow", "right"),
        "right brow": ("brow", "left"),
        "left cheek": ("cheek", "right"),
        "right cheek": ("cheek", "left"),
    }
)


def _moved_places(unit: ActionUnit) -> set[_FacePlace]:
    """Return the places where a unit certainly moves skin."""
    moved: set[_FacePlace] = set()
    if not (unit.doubtful or unit.static or unit.reference):
        sides: tuple[Side | None, ...] = (None, "left", "right")
        if unit.side in ("left", "right"):
            sides = (None, unit.side)
        elif unit.side == "unilateral":
            sides = (None,)
        moved = {(part, side) for part in _PARTS_BY_UNIT.get(unit.number, ()) for side in sides}
    return moved.intersection(*map(_moved_places, unit.alternatives))
