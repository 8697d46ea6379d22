from pathlib import Path

import pytest

from microfacial.datasets.annotation_table import find_table, is_given
from microfacial.errors import AbsentError


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx"),
        ("SAMM_20181215_Micro_FACS_Codes_v2.xlsx", "SAMM_20190101_Micro_FACS_Codes_v2.xlsx"),
        ("SAMM_20181215_Micro_FACS_Codes_v9.xlsx", "SAMM_Micro_FACS_Codes_v10.xlsx"),
    ],
)
def test_the_table_with_the_latest_version_and_then_date_is_found(tmp_path: Path, older: str, newer: str) -> None:
    for name in (newer, older):
        (tmp_path / name).touch()
    assert find_table(tmp_path, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx").name == newer


def test_folders_are_searched_after_the_root(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/b_v2.xlsx").touch()
    assert find_table(tmp_path, "B", "b_v*.xlsx", folders=("tables",)) == tmp_path / "tables/b_v2.xlsx"
    (tmp_path / "b_v1.xlsx").touch()
    assert find_table(tmp_path, "B", "b_v*.xlsx", folders=("tables",)) == tmp_path / "b_v1.xlsx"
    with pytest.raises(AbsentError, match=r"B: .*c\.xlsx"):
        find_table(tmp_path, "B", "c.xlsx")


@pytest.mark.parametrize(("cell", "given"), [("12", True), ("0", True), ("/", False), ("", False)])
def test_an_empty_cell_or_a_slash_has_no_value(cell: str, given: bool) -> None:
    assert is_given(cell) == given
