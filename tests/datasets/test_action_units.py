"""Expected values were derived by hand from the annotators' notation."""

import math
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microfacial.datasets.action_units import (
    SCORED_UNITS,
    ActionUnit,
    label_units,
    moved_regions,
    parse_action_units,
)
from microfacial.preprocessing.regions import FACE_SCHEMES


def unit(number: int, **facts: object) -> ActionUnit:
    return ActionUnit(number=number, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", (unit(12),)),
        ("4+7", (unit(4), unit(7))),
        ("L2+26+38", (unit(2, side="left"), unit(26), unit(38))),
        ("7C", (unit(7, intensity="C"),)),
        ("R12", (unit(12, side="right"),)),
        ("A12", (unit(12, side="asymmetric"),)),
        ("12A", (unit(12, intensity="A"),)),
        ("A12A", (unit(12, side="asymmetric", intensity="A"),)),
        ("T18", (unit(18, side="top"),)),
        ("B18", (unit(18, side="bottom"),)),
        ("ref(7B)+43", (unit(7, intensity="B", reference=True), unit(43))),
        ("ref(4+7B)", (unit(4, reference=True), unit(7, intensity="B", reference=True))),
        ("L12 or L14", (unit(12, side="left", alternatives=(unit(14, side="left"),)),)),
        (
            "(R6 or R12)+R15",
            (unit(6, side="right", alternatives=(unit(12, side="right"),)), unit(15, side="right")),
        ),
        ("(6+12)+L14", (unit(6), unit(12), unit(14, side="left"))),
        ("(L12) or (L14)", (unit(12, side="left", alternatives=(unit(14, side="left"),)),)),
        ("ref(4 or 7)", (unit(4, reference=True, alternatives=(unit(7, reference=True),)),)),
        ("10A/B", (unit(10, intensity="A", alternatives=(unit(10, intensity="B"),)),)),
        ("L12/L14", (unit(12, side="left", alternatives=(unit(14, side="left"),)),)),
        ("4(k)+7", (unit(4, static=True), unit(7))),
        ("4?", (unit(4, doubtful=True),)),
        ("AU4+AU12", (unit(4), unit(12))),
        ("r12+7c", (unit(12, side="right"), unit(7, intensity="C"))),
        ("A/L12", (unit(12, side="asymmetric", alternatives=(unit(12, side="left"),)),)),
        ("A/L12 or R14", (unit(12, side="asymmetric", alternatives=(unit(12, side="left"), unit(14, side="right"))),)),
        ("L12/A/L14", (unit(12, side="left", alternatives=(unit(14, side="asymmetric"), unit(14, side="left"))),)),
        ("AD31+AD 38", (unit(31), unit(38))),
        ("M58+m83", (unit(58), unit(83))),
        ("GB80", (unit(80),)),
        ("51+54+64", (unit(51), unit(54), unit(64))),
        ("R14B", (unit(14, side="right", intensity="B"),)),
        ("U14", (unit(14, side="unilateral"),)),
        ("T23", (unit(23, side="top"),)),
        ("12L+14CR", (unit(12, side="left"), unit(14, side="right", intensity="C"))),
        ("AU06+AU L12", (unit(6), unit(12, side="left"))),
        ("L AU12", (unit(12, side="left"),)),
        ("?12", (unit(12, doubtful=True),)),
        ("12(?)", (unit(12, doubtful=True),)),
        ("(12)?", (unit(12, doubtful=True),)),
        ("(4+7)?", (unit(4, doubtful=True), unit(7, doubtful=True))),
        ("12 or 14?", (unit(12, alternatives=(unit(14, doubtful=True),)),)),
        ("10A/B12", (unit(10, intensity="A", alternatives=(unit(12, side="bottom"),)),)),
        ("4&7\n9", (unit(4), unit(7), unit(9))),
    ],
)
def test_the_notation_is_parsed(text: str, expected: tuple[ActionUnit, ...]) -> None:
    assert parse_action_units(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "12+15 ",
        "12+15+",
        " 12 + 15",
        "12,15",
        "12，15",
        "12＋15",
        "12;15",
        "１２、15",
        "12\u3000；15",
    ],
)
def test_spaces_and_separators_of_any_form_make_no_difference(text: str) -> None:
    assert parse_action_units(text) == (unit(12), unit(15))


@pytest.mark.parametrize(
    "text", ["soft focus", "?", "12 15", "(12", "12 or something", "12)", "100", "0", "B", "4²", "١", "12or", "AU"]
)
def test_a_term_that_is_not_a_unit_is_kept_as_text(text: str) -> None:
    assert parse_action_units(text) == (text,)


def test_units_next_to_text_are_parsed() -> None:
    assert parse_action_units("4+soft focus") == (unit(4), "soft focus")


@pytest.mark.parametrize("text", ["", "  ", "+"])
def test_an_empty_annotation_has_no_units(text: str) -> None:
    assert parse_action_units(text) == ()


MISSION = ("eyes", "eyebrows", "mouth")
FACS = ("left eye", "right eye", "left brow", "right brow", "nose", "left cheek", "right cheek", "mouth")


@pytest.mark.parametrize(
    ("text", "mission", "facs"),
    [
        ("1", {"eyebrows"}, {"left brow", "right brow"}),
        ("L4", {"eyebrows"}, {"right brow"}),  # the person's left is on the right of the image
        ("R2", {"eyebrows"}, {"left brow"}),
        ("A4", {"eyebrows"}, {"left brow", "right brow"}),
        ("T10", {"mouth"}, {"mouth", "left cheek", "right cheek"}),
        ("L12", {"mouth"}, {"mouth", "right cheek"}),
        ("4+7", {"eyebrows", "eyes"}, {"left brow", "right brow", "left eye", "right eye"}),
        ("U12", {"mouth"}, {"mouth"}),  # which cheek it lifts is unknown
        ("A/L12", {"mouth"}, {"mouth", "right cheek"}),
        ("AD38", set(), {"nose"}),
        ("M58", set(), set()),
        ("6", {"eyes"}, {"left eye", "right eye", "left cheek", "right cheek"}),
        ("9", {"eyebrows"}, {"nose", "left brow", "right brow"}),
        ("15+17", {"mouth"}, {"mouth"}),
        ("38", set(), {"nose"}),
        ("21", set(), set()),  # the neck
        ("R6 or R12", set(), {"left cheek"}),  # the regions that both units move
        ("L12 or 14", {"mouth"}, {"mouth"}),
        ("10A/B", {"mouth"}, {"mouth", "left cheek", "right cheek"}),
        ("4?+15", {"mouth"}, {"mouth"}),
        ("4(k)+ref(7B)", set(), set()),
        ("?", set(), set()),
        ("soft focus", set(), set()),
        ("", set(), set()),
    ],
)
def test_units_move_regions_on_the_correct_side(text: str, mission: set[str], facs: set[str]) -> None:
    for regions, expected in ((MISSION, mission), (FACS, facs)):
        assert {name for name, moves in zip(regions, moved_regions(text, regions), strict=True) if moves} == expected


def test_every_region_of_a_face_is_moved_by_some_unit() -> None:
    regions = {name for scheme in FACE_SCHEMES.values() for name in scheme}
    moving = moved_regions("+".join(map(str, range(1, 47))), tuple(regions))
    assert all(moving)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[LRATBU0-9?/()+ AUDMor]{0,25}", fullmatch=True)))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_units_and_texts_from_it(text: str) -> None:
    for term in parse_action_units(text):
        if isinstance(term, ActionUnit):
            assert 1 <= term.number <= 99
        else:
            assert term.strip()
    moved_regions(text, FACS)


def test_a_long_cell_is_parsed_in_linear_time() -> None:
    start = perf_counter()
    for text in ("+" * 30_000, "(" * 30_000, "12+" * 10_000, "12 or " * 5_000, "A/" * 15_000, "(12+" * 7_000):
        parse_action_units(text)
    assert perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "moving", "unknown"),
    [
        ("4+7", {4, 7}, set()),
        ("L12", {12}, set()),
        ("L12+R12", {12}, set()),
        ("12A", {12}, set()),
        ("AD31", set(), set()),
        ("20", set(), set()),
        ("?4+7", {7}, {4}),
        ("4?+4", {4}, set()),
        ("L12 or L14", set(), {12, 14}),
        ("10A/B", {10}, set()),
        ("ref(7B)+4", {4}, set()),
        ("4(k)+7", {7}, set()),
        ("4+soft focus", {4}, set()),
        ("4+7 14", {4}, {7, 14}),
        ("1+2+4-7", {1, 2}, {4, 7}),
        ("4+12 (weak)", {4}, {12}),
    ],
)
def test_units_are_labelled_as_moving_still_or_unknown(text: str, moving: set[int], unknown: set[int]) -> None:
    labels = dict(zip(SCORED_UNITS, label_units(text, SCORED_UNITS), strict=True))
    assert {unit for unit, label in labels.items() if label == 1} == moving
    assert {unit for unit, label in labels.items() if math.isnan(label)} == unknown
    assert {unit for unit, label in labels.items() if label == 0} == set(SCORED_UNITS) - moving - unknown


@pytest.mark.parametrize("text", ["", "?", "soft focus", "none"])
def test_without_an_annotated_unit_every_unit_is_unknown(text: str) -> None:
    assert all(map(math.isnan, label_units(text, SCORED_UNITS)))
