"""Scores on the subjects that no study used. `test_registration` reads the files of evidence."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fake_evidence import CLIPS_EACH, PEOPLE, STRONG, TRUTH
from microfacial.registry.evidence import score_untuned_subjects


def test_the_untuned_score_is_that_of_the_remaining_subjects() -> None:
    score = score_untuned_subjects(replace(STRONG, tuned_on=tuple(PEOPLE[:7])))
    rows = np.arange(7 * CLIPS_EACH, len(TRUTH))
    assert score is not None
    assert (score.subjects, score.clips) == (3, len(rows))
    expected = f1_score(TRUTH[rows], STRONG.predictions.predicted[0][rows], average="macro")
    assert score.uf1 == pytest.approx(expected)


def test_there_is_no_untuned_score_if_a_study_used_all_subjects() -> None:
    assert score_untuned_subjects(replace(STRONG, tuned_on=tuple(PEOPLE))) is None
