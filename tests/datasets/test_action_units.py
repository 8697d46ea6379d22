"""Expected values were derived by hand from the annotators' notation."""

import pytest

from microfacial.datasets.action_units import ActionUnit, moved_regions, parse_action_units
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
    ],
)
def test_the_notation_is_parsed(text: str, expected: tuple[ActionUnit, ...]) -> None:
    assert parse_action_units(text) == expected


@pytest.mark.parametrize("text", ["12+15 ", "12+15+", " 12 + 15", "12,15", "12，15", "12＋15", "12;15"])
def test_spaces_and_separators_of_any_form_make_no_difference(text: str) -> None:
    assert parse_action_units(text) == (unit(12), unit(15))


@pytest.mark.parametrize("text", ["soft focus", "?", "12 15", "(12", "12 or something", "12)", "100", "0"])
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
