"""Records of results: pooled predictions, their explanation, and scores."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

SYNTHETIC = "synthetic: no measure of accuracy"
"""Note that goes with every score on synthetic clips."""

PRIOR_ON_DRAWN = "the motion prior was trained on motion drawn like this: scores of models that use it mean nothing"
"""Note that goes with every score on synthetic clips of a model that uses the motion prior."""

ORACLE = "oracle: epoch chosen on the test subject – not a result"
"""Note that goes with every score of the oracle."""

PROTOCOL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "loso": "leave-one-subject-out within each corpus",
        "composite": "leave-one-subject-out over all corpora together",
        "leave-one-dataset-out": "leave-one-dataset-out, trained on the other corpora",
        "holdout": "a fixed list of held-out subjects",
    }
)
"""The values of `train.protocol` in words."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of one model for the n test clips of its protocol, once per repetition.

    Attributes:
        model: name of the model.
        protocol: value of `train.protocol`.
        classes: names of the K classes.
        clips: ids of the clips, `(n,)` str.
        subjects: person of each clip, `(n,)` str.
        truth: annotated classes as indices into `classes`, `(n,)` int64.
        predicted: predicted classes as indices into `classes`, `(repeats, n)` int64.
        probabilities: predicted probabilities, `(repeats, n, K)` float64.
    """

    model: str
    protocol: str
    classes: tuple[str, ...]
    clips: NDArray[np.str_]
    subjects: NDArray[np.str_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def voted(self) -> NDArray[np.int64]:
        """One class per clip, `(n,)`: the class whose mean probability over repetitions is highest."""
        if len(self.predicted) == 1:
            return self.predicted.ravel()  # stored probabilities are rounded, and rounding can make a tie
        return self.probabilities.mean(axis=0).argmax(axis=1)

    def of_subjects(self, subjects: Collection[str]) -> Self:
        """Return the predictions for the clips of the named subjects.

        Args:
            subjects: persons, as in `subjects`.
        """
        rows = np.isin(self.subjects, sorted(subjects))
        return replace(
            self,
            clips=self.clips[rows],
            subjects=self.subjects[rows],
            truth=self.truth[rows],
            predicted=self.predicted[:, rows],
            probabilities=self.probabilities[:, rows],
        )


@dataclass(frozen=True, kw_only=True)
class Importances:
    """Importance of branches, regions and windows for each of n test clips, in the hybrid and in the graph of regions.

    The graph of regions has no windows, and its regions have equal weights. Only its attention says something.

    The importance for a clip comes from models that never trained on its subject. Weights of one kind sum to 1 per
    clip; the weights of a branch that the model lacks are 0. All arrays are float64 and are means over members,
    attention heads, layers and repetitions of the protocol.

    Attributes:
        clips: ids of the clips, `(n,)` str.
        region_names: names of the R regions.
        window_names: names of the T windows.
        fusion: weights of the graph branch and of the transformer branch, `(n, 2)`.
        graph_regions: weight of each region in the graph, `(n, R)`.
        transformer_regions: weight of each region in the transformer, `(n, R)`.
        windows: weight of each window in the transformer, `(n, T)`.
        attention: attention in the graph, `(n, R, R)`. Row i has the weight that region i gives to each region.
    """

    clips: NDArray[np.str_]
    region_names: tuple[str, ...]
    window_names: tuple[str, ...]
    fusion: NDArray[np.float64]
    graph_regions: NDArray[np.float64]
    transformer_regions: NDArray[np.float64]
    windows: NDArray[np.float64]
    attention: NDArray[np.float64]

    @property
    def of_hybrid(self) -> bool:
        """Whether the weights are those of a hybrid, which has windows."""
        return bool(self.window_names)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores of some clips. They are computed from counts pooled over folds, then averaged over repetitions.

    Attributes:
        confusion: counts of clips summed over repetitions, `(K, K)`: rows are annotated classes, columns predicted.
        uf1: unweighted F1, 0 to 1.
        uar: unweighted average recall, 0 to 1.
        accuracy: share of correct predictions, 0 to 1.
        clips: number of clips. Repetitions do not count.
        subjects: number of subjects.
    """

    confusion: tuple[tuple[int, ...], ...]
    uf1: float
    uar: float
    accuracy: float
    clips: int
    subjects: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one model.

    Means over folds are not comparable with pooled scores: a fold has few clips and seldom all classes.

    Attributes:
        model: name of the model.
        protocol: value of `train.protocol`.
        repeats: number of repetitions of the protocol.
        classes: names of the K classes.
        overall: scores of all clips.
        corpora: scores of the clips of each corpus, by its name.
        uf1_interval: lower and upper end of the 95 % percentile interval of UF1, from a bootstrap over subjects.
        uar_interval: the same for UAR.
        uf1_sd: standard deviation of UF1 over repetitions. It is 0 for one repetition, which cannot show how much the
            seed matters.
        uar_sd: the same for UAR.
        ece: expected calibration error of all predictions, 0 to 1.
        mean_over_folds_uf1: mean of the UF1 of single folds.
        mean_over_folds_uar: mean of the UAR of single folds.
        mean_over_folds_accuracy: mean of the accuracy of single folds.
        note: warning about the meaning of the scores; empty if there is none.
    """

    model: str
    protocol: str
    repeats: int
    classes: tuple[str, ...]
    overall: Score
    corpora: dict[str, Score]
    uf1_interval: tuple[float, float]
    uar_interval: tuple[float, float]
    uf1_sd: float
    uar_sd: float
    ece: float
    mean_over_folds_uf1: float
    mean_over_folds_uar: float
    mean_over_folds_accuracy: float
    note: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Difference between a model and a baseline on the same clips.

    Differences are the score of the model minus the score of the baseline. Intervals are 95 % percentiles of the
    difference over the same draws of subjects.

    Attributes:
        model: name of the model.
        baseline: name of the baseline.
        uf1_difference: difference in UF1; positive if the model is better.
        uf1_interval: lower and upper end of its interval.
        uar_difference: difference in UAR; positive if the model is better.
        uar_interval: lower and upper end of its interval.
        only_model: number of clips that only the model predicts correctly.
        only_baseline: number of clips that only the baseline predicts correctly.
        mcnemar_p: p-value of McNemar's test. It is the probability of a split between `only_model` and
            `only_baseline` that is at least this uneven, if both are equally good.
        subjects: number of subjects.
    """

    model: str
    baseline: str
    uf1_difference: float
    uf1_interval: tuple[float, float]
    uar_difference: float
    uar_interval: tuple[float, float]
    only_model: int
    only_baseline: int
    mcnemar_p: float
    subjects: int

    @property
    def tells_apart(self) -> bool:
        """Whether the interval of the UF1 difference excludes 0. False for one subject: its interval is a point."""
        low, high = self.uf1_interval
        return self.subjects > 1 and (low > 0 or high < 0)
