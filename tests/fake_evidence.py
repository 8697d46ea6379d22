"""Evidence of made-up versions: a strong model and a weak model on the same clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from microfacial.records import Predictions
from microfacial.registry.evidence import Evidence

SUBJECTS, CLIPS_EACH = 10, 6
TRUTH = np.tile([0, 1, 2], SUBJECTS * CLIPS_EACH // 3)
PEOPLE = [f"c/{number:02d}" for number in range(SUBJECTS)]


def make_evidence(name: str, wrong: Sequence[int], **changes: Any) -> Evidence:
    """Return evidence with wrong predictions in some rows. A wrong prediction is the class after the true one."""
    predicted = TRUTH.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 3
    return Evidence(
        name=name,
        dataset="d",
        scheme="s",
        data="abc",
        tuned_on=changes.pop("tuned_on", ()),
        predictions=Predictions(
            model=name,
            protocol="loso",
            classes=("x", "y", "z"),
            clips=np.array([f"clip{row:02d}" for row in range(len(TRUTH))]),
            subjects=np.repeat(PEOPLE, CLIPS_EACH),
            truth=TRUTH,
            predicted=predicted[None],
            probabilities=np.eye(3)[predicted][None],
        ),
    )


WEAK = make_evidence("weak", range(0, 60, 2))  # every second clip is wrong: three clips per subject
STRONG = make_evidence("strong", range(0, 60, 6))  # one clip per subject is wrong
