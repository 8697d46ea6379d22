"""Rows of the annotation tables that no synthetic release contains."""

from typing import Any

from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import SheetRow


def test_three_surprises_of_casme2_were_sadness_in_the_sheet_of_2014() -> None:
    def emotions(corpus: str) -> list[Any]:
        table = LAYOUTS[corpus].table
        assert table is not None
        return [table.cells(row, 2)[8] for row in rows]

    changed = [(24, "EP07_01"), (24, "EP07_04f"), (24, "EP10_03")]
    rows = [
        SheetRow(subject=subject, name=name, emotion="surprise", onset=1, apex=2, offset=3, frames=range(1, 4))
        for subject, name in [*changed, (23, "EP07_01"), (24, "EP07_02")]
    ]
    assert emotions("casme2_2014") == ["sadness"] * 3 + ["surprise"] * 2
    assert emotions("casme2") == ["surprise"] * 5
