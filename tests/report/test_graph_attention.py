from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from fake_results import make_importances, make_result
from fakes import make_clip
from microfacial.records import Clip
from microfacial.report.graph_attention import co_occurrence, compare_with_annotations

REGIONS = ("eyes", "eyebrows", "mouth", "whole face")
UNITS = ("4+7", "4+12", "12", "", "17")  # eyebrows and eyes, eyebrows and mouth, mouth, not annotated, mouth


def clips_with_units() -> list[Clip]:
    return [replace(make_clip(name=str(number)), action_units=units) for number, units in enumerate(UNITS)]


def test_co_occurrence_is_a_share_of_the_clips_in_which_the_region_of_the_row_moves() -> None:
    moved = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=np.bool_)
    expected = [[1, 1, 0, 0], [1 / 2, 1, 1 / 2, 0], [0, 1 / 3, 1, 0], [np.nan] * 4]
    assert co_occurrence(moved) == pytest.approx(np.array(expected), nan_ok=True)


def test_attention_stands_next_to_the_annotated_motion_of_its_regions() -> None:
    attention = np.random.default_rng(0).dirichlet(np.ones(4), (2, 4))
    importances = replace(make_importances(regions=REGIONS), attention=attention)
    results = [make_result("linear_svm"), replace(make_result("roi_graph"), importances=importances)]
    (comparison,) = compare_with_annotations(results, clips_with_units())
    assert (comparison.model, comparison.clips, comparison.regions) == ("roi_graph", 4, REGIONS)
    assert comparison.attention == pytest.approx(attention.mean(axis=0))
    eyes, brows, mouth, face = comparison.together
    assert eyes == pytest.approx([1, 1, 0, 1])
    assert brows == pytest.approx([1 / 2, 1, 1 / 2, 1])
    assert mouth == pytest.approx([0, 1 / 3, 1, 1])
    assert face == pytest.approx([1 / 4, 1 / 2, 3 / 4, 1])
    pairs = ~np.eye(4, dtype=bool)
    expected = spearmanr(comparison.attention[pairs], comparison.together[pairs]).statistic
    assert comparison.correlation == pytest.approx(expected)
    assert comparison.rows[1][1][0] == pytest.approx((comparison.attention[1, 0], 1 / 2))


def test_equal_attention_has_no_correlation() -> None:
    result = replace(make_result("roi_graph"), importances=make_importances(regions=REGIONS))
    (comparison,) = compare_with_annotations([result], clips_with_units())
    assert np.isnan(comparison.correlation)


def test_without_annotations_or_without_a_graph_there_is_no_comparison() -> None:
    graph = replace(make_result("roi_graph"), importances=make_importances(regions=REGIONS))
    assert list(compare_with_annotations([graph], [replace(make_clip(), action_units="")])) == []
    no_graph = replace(make_result("hybrid"), importances=make_importances(graph=0, regions=REGIONS))
    assert list(compare_with_annotations([no_graph], clips_with_units())) == []
