"""Scores of multi-label recognition: binary F1 and the area under the ROC curve of each action unit.

    F1        2·TP / (2·TP + FP + FN) at the probability one half, from all clips of a repetition together
    ROC area  share of pairs of a moving and a still clip in which the moving one has the higher probability;
              equal probabilities count one half

Both come from counts per subject or per pair of subjects, so a bootstrap over subjects needs no new predictions. A unit
that moves in no clip has no F1, and a unit without pairs has no area. Means are over the units that have a score.
Varanka et al. count F1 as 0 there; in the pooled clips of a protocol, each of their units moves somewhere.

Source: binary F1 averaged over units, Varanka et al., Data Leakage and Evaluation Issues in Micro-Expression Analysis
(CD6ME), arXiv:2211.11425; the area as a share of pairs, Hanley & McNeil, Radiology 1982,
doi:10.1148/radiology.143.1.7063747.
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray

THRESHOLD = 0.5
"""A unit is predicted to move if its probability is at least this."""


def count_outcomes(moves: FloatArray, probabilities: FloatArray, group: NDArray[np.int64], groups: int) -> FloatArray:
    """Count the correct and wrong predictions of one unit in each group of clips.

    Args:
        moves: 1 for a clip in which the unit moves, 0 for one in which it does not, NaN if that is unknown, `(n,)`.
        probabilities: predicted probabilities, `(n,)`.
        group: group of each clip, such as its subject, `(n,)`.
        groups: number of groups, G.

    Returns:
        True positives, false positives and false negatives, `(G, 3)`. Unknown clips are not counted.
    """
    predicted, actual, known = probabilities >= THRESHOLD, moves == 1, ~np.isnan(moves)
    cells = np.stack([predicted & actual, predicted & ~actual & known, ~predicted & actual])
    return np.stack([np.bincount(group, cell, groups) for cell in cells], axis=1)


def binary_f1(counts: FloatArray) -> FloatArray:
    """Return the F1 of counts, 0 to 1.

    Args:
        counts: true positives, false positives and false negatives, `(…, 3)`.

    Returns:
        Scores, `(…)`; NaN without a positive clip.
    """
    hits, false, missed = np.moveaxis(counts, -1, 0)
    positives, total = hits + missed, 2 * hits + false + missed
    return np.where(positives > 0, np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0), np.nan)


def count_pairs(
    moves: FloatArray, probabilities: FloatArray, group: NDArray[np.int64], groups: int
) -> tuple[FloatArray, FloatArray]:
    """Count the pairs of a moving and a still clip, for each pair of groups.

    Args:
        moves: see `count_outcomes`.
        probabilities: predicted probabilities, `(n,)`.
        group: group of each clip, `(n,)`.
        groups: number of groups, G.

    Returns:
        Pairs in the right order, ties as one half, and all pairs, `(G, G)` each: rows are the groups of moving clips,
        columns those of still clips.
    """
    moving, still = np.flatnonzero(moves == 1), np.flatnonzero(moves == 0)
    first, second = probabilities[moving, None], probabilities[None, still]
    right = (first > second) + 0.5 * (first == second)
    members = np.eye(groups)[group]  # (n, G)
    return members[moving].T @ right @ members[still], np.outer(members[moving].sum(0), members[still].sum(0))


def roc_area(right: FloatArray, pairs: FloatArray, times: FloatArray) -> FloatArray:
    """Return the area under the ROC curve of groups that are drawn several times.

    Args:
        right: pairs in the right order, `(G, G)`; see `count_pairs`.
        pairs: all pairs, `(G, G)`.
        times: how often each group is drawn, `(draws, G)`.

    Returns:
        Areas, 0 to 1, `(draws,)`; NaN without pairs.
    """
    drawn_right, drawn_pairs = (np.einsum("dg,dg->d", times @ counts, times) for counts in (right, pairs))
    return np.divide(drawn_right, drawn_pairs, out=np.full(len(times), np.nan), where=drawn_pairs > 0)
