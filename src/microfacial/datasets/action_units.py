"""Action units as annotators write them, in any of the corpora → records.

    4+7          two units                     L12, R12    on the left, on the right
    7C           intensity C (of A to E)       A12         more on one side than on the other; 12A is an intensity
    T18, B18     top lip only, bottom lip only ref(7B)     there in the resting face already
    L12 or L14   one of several                10A/B       one of two intensities
    4(k)         held throughout the clip      4?          doubtful

Terms are joined by `+`, a comma or a semicolon, full-width ones too; `or` binds tighter. A term that is no unit, such
as `soft focus` or a lone `?`, is kept as text.

Source: Ekman & Friesen, Facial Action Coding System, 1978, for the units; Ekman, Friesen, Hager, 2002, for sides,
intensities and where a unit moves skin.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, cast

Side = Literal["left", "right", "asymmetric", "top", "bottom"]
Intensity = Literal["A", "B", "C", "D", "E"]

_SIDES: dict[str, Side] = {"L": "left", "R": "right", "A": "asymmetric", "T": "top", "B": "bottom"}
_UNIT = re.compile(
    r"(?:AU\s*)?(?P<side>[LRATB])?\s*(?P<number>[1-9]\d?)(?P<intensity>[A-E](?:/[A-E])*)?(?P<marks>(?:\s*(?:\(k\)|\?))*)",
    re.IGNORECASE,
)
_GROUP = re.compile(r"(?P<reference>ref)?\s*\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)", re.IGNORECASE)
_OR = re.compile(r"(?<![a-z])or(?![a-z])|/(?=\s*[LRATB]?\s*\d)", re.IGNORECASE)
_JOINT = re.compile(r"[+,;]")


@dataclass(frozen=True, kw_only=True)
class ActionUnit:
    """One unit of an annotation.

    `side` and `intensity` are None where none is given; `alternatives` are the other units that it may have been;
    `reference` units are there in the resting face, `static` ones throughout the clip.
    """

    number: int
    side: Side | None = None
    intensity: Intensity | None = None
    alternatives: tuple["ActionUnit", ...] = ()
    reference: bool = False
    static: bool = False
    doubtful: bool = False


def parse_action_units(text: str) -> tuple[ActionUnit | str, ...]:
    """Units in the order as written, and as text what is no unit; empty if nothing is annotated."""
    return tuple(_parse_terms(unicodedata.normalize("NFKC", text)))


def moved_regions(text: str, regions: Sequence[str]) -> tuple[bool, ...]:
    """Which of the named regions the units of an annotation move; none where nothing is annotated.

    A unit counts only if it is certain and moves during the clip: not if it is doubtful, held throughout, or there in
    the resting face. Of a unit that may have been another, what both move counts.

    Convention: annotators' left is the person's, that of regions is the picture's: L4 moves the right brow.
    """
    units = [term for term in parse_action_units(text) if isinstance(term, ActionUnit)]
    places = {place for unit in units for place in _places(unit)}
    return tuple(_PLACES.get(region) in places for region in regions)


def _parse_terms(text: str) -> Iterator[ActionUnit | str]:
    for term in filter(None, map(str.strip, _split(text, _JOINT))):
        group = _GROUP.fullmatch(term)
        if group is None:
            yield _parse_choice(term) or term
        elif group["reference"]:
            yield from map(_mark_reference, _parse_terms(group["inside"]))
        else:
            yield from _parse_terms(group["inside"])


def _mark_reference(term: ActionUnit | str) -> ActionUnit | str:
    if isinstance(term, str):
        return term
    others = tuple(replace(other, reference=True) for other in term.alternatives)
    return replace(term, reference=True, alternatives=others)


def _parse_choice(term: str) -> ActionUnit | None:
    """The first of the units that a term chooses between, the others as its alternatives."""
    found: list[ActionUnit] = []
    for part in map(str.strip, _split(term, _OR)):
        group = _GROUP.fullmatch(part)
        units = _parse_unit(group["inside"].strip() if group and not group["reference"] else part)
        if not units:
            return None
        found += units
    return replace(found[0], alternatives=tuple(found[1:]))


def _parse_unit(text: str) -> list[ActionUnit]:
    """A unit, once for each intensity that it may have; nothing for what is no unit."""
    match = _UNIT.fullmatch(text)
    if match is None:
        return []
    unit = ActionUnit(
        number=int(match["number"]),
        side=_SIDES[match["side"].upper()] if match["side"] else None,
        static="(k)" in match["marks"].lower(),
        doubtful="?" in match["marks"],
    )
    letters = match["intensity"].upper().split("/") if match["intensity"] else [None]
    return [replace(unit, intensity=cast(Intensity | None, letter)) for letter in letters]


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Parts of a text between the separators that stand outside of all brackets."""
    parts, start = [], 0
    for match in separator.finditer(text):
        before = text[: match.start()]
        if before.count("(") == before.count(")"):
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]


# --- regions ----------------------------------------------------------------------------------------------------------

Part = Literal["brow", "eye", "nose", "cheek", "mouth"]
FacePlace = tuple[Part, Side | None]
"""A part of the face and the person's side of it; None for both sides at once."""

_PARTS: Mapping[int, tuple[Part, ...]] = MappingProxyType(
    {
        **dict.fromkeys((1, 2, 4), ("brow",)),
        **dict.fromkeys((5, 7, *range(41, 47), *range(61, 67)), ("eye",)),  # lids; lids that droop or shut; gaze
        6: ("eye", "cheek"),
        9: ("nose", "brow"),  # the muscle that wrinkles the nose lowers the inner brows too
        **dict.fromkeys((10, 11, 12, 13), ("mouth", "cheek")),  # they lift or deepen the cheek's front with the lip
        **dict.fromkeys((8, *range(14, 21), *range(22, 31), 32, 36, 37), ("mouth",)),  # lips, chin, jaw, tongue
        **dict.fromkeys((33, 34, 35), ("cheek",)),  # blown, puffed, sucked in
        **dict.fromkeys((38, 39), ("nose",)),  # nostrils
    }
)

_PLACES: Mapping[str, FacePlace] = MappingProxyType(
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


def _places(unit: ActionUnit) -> set[FacePlace]:
    """Where a unit surely moves skin."""
    moved: set[FacePlace] = set()
    if not (unit.doubtful or unit.static or unit.reference):
        sides: tuple[Side | None, ...] = (
            (None, unit.side) if unit.side in ("left", "right") else (None, "left", "right")
        )
        moved = {(part, side) for part in _PARTS.get(unit.number, ()) for side in sides}
    return moved.intersection(*map(_places, unit.alternatives))
