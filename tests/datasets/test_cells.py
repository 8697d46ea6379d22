import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from microfacial.datasets.cells import (
    pad_number,
    parse_frame_number,
    protect_cell,
    require_name,
    require_own_clip,
    restore_cell,
)
from microfacial.errors import DatasetError


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12),
        ("12.0", 12),
        ("12.", 12),
        (" 12\u00a0", 12),
        ("007", 7),
        ("+7", 7),
        ("0", 0),
        ("1.2E+01", 12),
        ("120e-1", 12),
        ("17581039", 17581039),
        ("114.99999999999999999", 115),
        ("114.99999999999999", 115),  # the number of a formula, which a spreadsheet shows as 115
    ],
)
def test_numbers_follow_the_grammar_of_a_spreadsheet(cell: str, number: int) -> None:
    assert parse_frame_number(cell, "Onset", "row 2") == number


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "1_000",
        "1,000",
        "1 000",
        "12,0",
        "0x10",
        "0b1",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "１２",
        "١٢",
        "²",
        "-1",
        "12.5",
        "1e",
        ".5",
        "1e99",
        "1e9999",
        "1000000000",
        "True",
        "12a",
        "12\x00",
        "9" * 5000,
        "2020-01-01 00:00:00",
    ],
)
def test_other_cells_are_not_frame_numbers(cell: str) -> None:
    with pytest.raises(DatasetError, match=r"row 2: Onset is ") as caught:
        parse_frame_number(cell, "Onset", "row 2")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("cell", "padded"), [("6", "006"), ("006", "006"), ("6.0", "006"), ("1234", "1234"), ("A1", "A1"), ("6.5", "6.5")]
)
def test_numbers_are_padded_and_text_is_not(cell: str, padded: str) -> None:
    assert pad_number(cell, 3) == padded


@pytest.mark.parametrize("name", ["EP01_01f", "006_1_2", "spNO.1", "sub 01", "Zoë", "..a", "表情"])
def test_names_of_files_are_accepted(name: str) -> None:
    assert require_name(name, "Filename", "row 2") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        "a\\b",
        "C:",
        "C:x",
        "a\0b",
        "a\nb",
        "a{}b",
        "{:05d}",
        " a",
        "\udcff",
        "a" * 300,
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="row 2: Filename "):
        require_name(name, "Filename", "row 2")


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9+.eE_ -]{0,12}", fullmatch=True)))
@settings(max_examples=100, deadline=None)
@example("1" * 41)
def test_any_cell_is_a_frame_number_or_an_error_in_one_line(cell: str) -> None:
    outcome: int | str
    try:
        outcome = parse_frame_number(cell, "Onset", "row 2")
    except DatasetError as error:
        outcome = str(error)
    if isinstance(outcome, int):
        assert 0 <= outcome < 10**9
        assert cell.strip().isascii()
    else:
        assert outcome.startswith("row 2: Onset is ")
        assert len(outcome.splitlines()) == 1


@pytest.mark.parametrize("text", ["=1+1.mp4", "+a", "-a", "@a", "\ta", "\ra", "'=1", "''-1"])
def test_a_formula_is_protected_and_restored(text: str) -> None:
    assert protect_cell(text) == f"'{text}"
    assert restore_cell(f"'{text}") == text


@pytest.mark.parametrize("text", ["", "a=1.mp4", "'a", "–", " =1", "12"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert (protect_cell(text), restore_cell(text)) == (text, text)


@pytest.mark.parametrize(("subject", "owner"), [("S13", "13"), ("7", "007"), ("sub000", "0"), ("1" * 5000, "1" * 5000)])
def test_the_number_of_a_subject_may_be_padded_in_any_way(subject: str, owner: str) -> None:
    """Python turns texts of at most 4,300 digits into numbers."""
    require_own_clip(subject, "name", owner, "row 1")
    with pytest.raises(DatasetError, match="row 1"):
        require_own_clip(subject, "name", f"{owner}1", "row 1")
