"""Compare the learned attention between regions with the regions that move together according to the annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, rankdata

from microfacial.datasets.action_units import moved_regions
from microfacial.models.inputs import WHOLE_FACE
from microfacial.records import Clip, FloatArray
from microfacial.report.results import ModelResult


@dataclass(frozen=True, kw_only=True)
class AttentionComparison:
    """Attention in the graph of one model, next to the co-occurrence of its regions.

    Attributes:
        model: name of the model.
        regions: names of the R regions.
        attention: mean attention over clips, `(R, R)`. Row i has the weight that region i gives to each region.
        together: share of the clips with motion in region i in which region j moves too, `(R, R)`; NaN if region i
            moves in no annotated clip.
        correlation: Spearman's rank correlation of both over pairs of different regions; NaN if one is constant.
        clips: number of clips with annotated action units.
    """

    model: str
    regions: tuple[str, ...]
    attention: FloatArray
    together: FloatArray
    correlation: float
    clips: int

    @property
    def rows(self) -> list[tuple[str, list[tuple[float, float]]]]:
        """Each region with its attention and co-occurrence, source by source."""
        pairs = np.stack([self.attention, self.together], axis=2)
        return [(name, [(float(a), float(c)) for a, c in row]) for name, row in zip(self.regions, pairs, strict=True)]


def compare_with_annotations(results: Sequence[ModelResult], clips: Sequence[Clip]) -> Iterator[AttentionComparison]:
    """Yield the comparison of every model with attention between regions, if any clip has annotated action units.

    Args:
        results: results of all models.
        clips: clips of the data set.
    """
    for result in results:
        importances = result.importances
        if importances is None or not importances.attention.any():
            continue
        moved = _moved(clips, importances.region_names)
        if not len(moved):
            continue
        attention = importances.attention.mean(axis=0)
        together = co_occurrence(moved)
        yield AttentionComparison(
            model=result.model,
            regions=importances.region_names,
            attention=attention,
            together=together,
            correlation=_correlate(attention, together),
            clips=len(moved),
        )


def co_occurrence(moved: NDArray[np.bool_]) -> FloatArray:
    """Return how often one region moves if another one does.

    Args:
        moved: whether each region moves in each of n clips, `(n, R)`.

    Returns:
        Share of the clips with motion in region i in which region j moves too, `(R, R)`. NaN if region i never moves.
    """
    counts = moved.T.astype(np.float64) @ moved
    times = moved.sum(axis=0, dtype=np.float64)[:, None]
    return np.divide(counts, times, out=np.full(counts.shape, np.nan), where=times > 0)


def _moved(clips: Sequence[Clip], regions: Sequence[str]) -> NDArray[np.bool_]:
    """Return the regions that move in each annotated clip, `(n, R)`. Any motion moves the whole face."""
    rows = [moved_regions(clip.action_units, regions) for clip in clips if clip.action_units]
    moved = np.array(rows, dtype=np.bool_).reshape(len(rows), len(regions))
    moved[:, [name == WHOLE_FACE for name in regions]] = moved.any(axis=1, keepdims=True)
    return moved


def _correlate(attention: FloatArray, together: FloatArray) -> float:
    """Return the rank correlation over pairs of different regions, without regions that never move."""
    pairs = ~np.eye(len(attention), dtype=np.bool_) & ~np.isnan(together)
    ranks = [rankdata(values[pairs]) for values in (attention, together)]
    if len(ranks[0]) < 2 or any(np.ptp(values) == 0 for values in ranks):
        return float("nan")
    return float(pearsonr(*ranks).statistic)
