import re
from dataclasses import replace

import numpy as np
import pytest

from fakes import make_data
from microfacial.records import Predictions
from microfacial.tuning import conclusion
from microfacial.tuning.conclusion import find_claim, score_candidate
from microfacial.tuning.trials import Conclusion, StudyScore

PREDICTIONS = Predictions(
    model="trial 1",
    protocol="loso",
    classes=("x", "y"),
    clips=np.array(["1", "2", "3", "4"]),
    subjects=np.array(["a", "a", "b", "b"]),
    truth=np.array([0, 1, 0, 1]),
    predicted=np.array([[0, 1, 1, 0]]),
    probabilities=np.eye(2)[[0, 1, 1, 0]][None],
)
REFERENCE = replace(PREDICTIONS, model="trial 0", predicted=np.array([[1, 0, 0, 1]]))


def score(part: str) -> StudyScore:
    pair = [model.of_subjects(["a"]) for model in (PREDICTIONS, REFERENCE)]
    return score_candidate(part, *pair, config=make_data().protocol)


def test_scores_are_of_the_given_clips_with_the_best_settings_first() -> None:
    result = score("tuned on")
    assert (result.uf1, result.uar, result.clips, result.subjects) == ((1.0, 0.0), (1.0, 0.0), 2, 1)
    assert result.difference.uf1_difference == 1.0


@pytest.mark.parametrize(
    ("part", "is_claim"),
    [
        (conclusion._UNSEEN, True),
        (conclusion._NESTED_ALL, True),
        (conclusion._NESTED_UNSEEN, True),
        ("all, each by settings tuned without them", True),  # stored by earlier releases
        (conclusion._INNER_FOLDS, False),
        (conclusion._TUNED_ON, False),
        (conclusion._ALL, False),
    ],
)
def test_only_subjects_without_influence_on_tuning_support_a_claim(part: str, is_claim: bool) -> None:
    result = score(part)
    assert find_claim(Conclusion(best=(1,), findings=(result,))) == (result if is_claim else None)


@pytest.mark.parametrize("name", ["_UNSEEN", "_NESTED_ALL", "_NESTED_UNSEEN", "_INNER_FOLDS", "_TUNED_ON", "_ALL"])
def test_mlflow_accepts_the_names_as_names_of_metrics(name: str) -> None:
    """MLflow documents these characters: alphanumerics, underscores, dashes, periods, spaces, colons and slashes."""
    assert re.fullmatch(r"[\w\-. :/]+", getattr(conclusion, name))
