import numpy as np
import pytest
from matplotlib.figure import Figure

from fake_results import make_importances
from microfacial.models.inputs import WHOLE_FACE
from microfacial.preprocessing.regions import FACE_SCHEMES, MAP_SCHEMES
from microfacial.report.face_drawing import REGION_ANCHORS
from microfacial.report.hybrid_figures import draw_attention, draw_region_importances, list_shares


def list_texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_shares_of_branches_windows_and_regions_sum_to_one_per_clip() -> None:
    names, shares = list_shares(make_importances())
    assert names == ["graph, onset→apex", "transformer, apex→offset"]
    assert np.allclose(shares, [[[0.125, 0.125], [0.375, 0.375]]] * 2)
    assert list_texts(draw_region_importances(make_importances()))[0] == "12.5\n±0.0"


@pytest.mark.parametrize(("graph", "rows"), [(0.0, ["transformer, apex→offset"]), (1.0, ["graph, onset→apex"])])
def test_a_missing_branch_has_no_row_and_no_arrows(graph: float, rows: list[str]) -> None:
    importances = make_importances(graph)
    assert list_shares(importances)[0] == rows
    patches = draw_attention(importances).axes[0].patches
    assert sum("Arrow" in type(patch).__name__ for patch in patches) == (2 if graph else 0)


@pytest.mark.parametrize("regions", [*FACE_SCHEMES.values(), *MAP_SCHEMES.values()])
def test_every_region_of_every_scheme_has_a_place_on_the_drawn_face(regions: dict[str, object]) -> None:
    names = (*regions, WHOLE_FACE)
    assert set(names) <= REGION_ANCHORS.keys()
    texts = list_texts(draw_attention(make_importances(regions=names)))
    assert set(names) <= {text.replace("\n", " ") for text in texts}
