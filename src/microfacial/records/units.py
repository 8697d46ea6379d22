"""Records of results of the task `units`: scores of each action unit and their means."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UnitScore:
    """Scores of one action unit. They are computed from all test clips of a repetition, then averaged over repetitions.

    Attributes:
        unit: number of the unit in the Facial Action Coding System.
        clips: number of test clips whose annotation says whether the unit moves.
        positives: number of these clips in which it moves.
        f1: binary F1 at the probability one half, 0 to 1; None if it moves in no clip.
        f1_interval: lower and upper end of the 95 % percentile interval from a bootstrap over subjects.
        roc_area: area under the ROC curve, 0 to 1; None if it moves in no clip or in all of them.
        roc_interval: its 95 % interval.
    """

    unit: int
    clips: int
    positives: int
    f1: float | None
    f1_interval: tuple[float, float] | None
    roc_area: float | None
    roc_interval: tuple[float, float] | None

    @property
    def f1_of_always(self) -> float | None:
        """F1 of a model that predicts the unit in every clip; None if it moves in no clip."""
        return 2 * self.positives / (self.clips + self.positives) if self.positives else None


@dataclass(frozen=True, kw_only=True)
class UnitMeans:
    """Means over the action units that have a score.

    Attributes:
        f1: mean F1; None if no unit has one.
        roc_area: mean area under the ROC curve; None if no unit has one.
        clips: number of test clips.
        subjects: number of subjects.
    """

    f1: float | None
    roc_area: float | None
    clips: int
    subjects: int


@dataclass(frozen=True, kw_only=True)
class UnitEvaluation:
    """Scores of one model in the task `units`.

    Attributes:
        model: name of the model.
        protocol: value of `train.protocol`.
        repeats: number of repetitions of the protocol.
        units: scores of each unit.
        overall: means over the units, of all test clips.
        f1_interval: 95 % interval of the mean F1, from a bootstrap over subjects; None without such a mean.
        roc_interval: the same for the mean area under the ROC curve.
        f1_sd: standard deviation of the mean F1 over repetitions; 0 for one repetition.
        corpora: means over the units, of the test clips of each corpus.
        note: warning about the meaning of the scores; empty if there is none.
    """

    model: str
    protocol: str
    repeats: int
    units: tuple[UnitScore, ...]
    overall: UnitMeans
    f1_interval: tuple[float, float] | None
    roc_interval: tuple[float, float] | None
    f1_sd: float
    corpora: dict[str, UnitMeans]
    note: str

    @property
    def f1_over_corpora(self) -> float | None:
        """Mean of the corpora's mean F1, as CD6ME reports it; None if no corpus has one."""
        scores = [means.f1 for means in self.corpora.values() if means.f1 is not None]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True, kw_only=True)
class UnitComparison:
    """Difference between a model and a baseline on the action units of the same clips.

    Differences are the score of the model minus the score of the baseline. Intervals are 95 % percentiles of the
    difference over the same draws of subjects.

    Attributes:
        model: name of the model.
        baseline: name of the baseline.
        f1_difference: difference in the mean F1; positive if the model is better. None if no unit has an F1.
        f1_interval: lower and upper end of its interval.
        roc_difference: difference in the mean area under the ROC curve. None if no unit has an area.
        roc_interval: lower and upper end of its interval.
        subjects: number of subjects.
    """

    model: str
    baseline: str
    f1_difference: float | None
    f1_interval: tuple[float, float] | None
    roc_difference: float | None
    roc_interval: tuple[float, float] | None
    subjects: int

    @property
    def tells_apart(self) -> bool:
        """Whether the interval of the difference in F1 excludes 0. False for one subject: its interval is a point."""
        if self.f1_interval is None:
            return False
        low, high = self.f1_interval
        return self.subjects > 1 and (low > 0 or high < 0)
