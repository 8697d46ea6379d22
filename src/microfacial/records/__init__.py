"""The nouns of MicroFacial: frozen records that flow down the pipeline once.

Axes: N clips or samples · T windows · R regions · C channels · H, W pixels · K classes · S subjects.

    Clip ──locate──▶ Face ──compute_flow──▶ FlowSequence ──make_inputs──▶ Samples
                                                                            │ plan_folds
      Report ◀──summarise── Evaluation ◀──pool── FoldResult × S ◀──run_folds┘
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

ApexSource = Literal["annotated", "midpoint", "spotted"]
FaceSource = Literal["landmarks", "template", "whole"]
FlowUnit = Literal["px", "stretched"]
Image = NDArray[np.uint8]
"""Pixels of an image, `(H, W, 3)` in BGR order or `(H, W)` in grey."""

FloatArray = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""A region in aligned pixels: top, left, bottom, right; bottom and right are exclusive."""

FRAME_NUMBER = re.compile(r"\{(?::0(\d+)d)?\}")
"""Where the number of a frame goes in a path: `{}` as it is, `{:05d}` filled with zeros to five digits."""

DEMO_CORPUS = "demo"  # synthetic clips in the layout of CASME II; those in another corpus' layout are demo-<corpus>
SYNTHETIC = "synthetic: no measure of accuracy"  # stands wherever a score of such clips does
ORACLE = "oracle: epoch chosen on the test subject – not a result"  # stands wherever such a score does
ONSET_APEX = "onset>apex"
PHASE_WINDOWS = ("onset>rise", "rise>apex", "apex>fall", "fall>offset")
PROTOCOL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "loso": "leave-one-subject-out within each corpus",
        "composite": "leave-one-subject-out over all corpora together",
        "leave-one-dataset-out": "leave-one-dataset-out, trained on the other corpora",
        "holdout": "a fixed list of held-out subjects",
    }
)
"""The values of `train.protocol` in words."""


def is_synthetic(corpus: str) -> bool:
    """Whether a corpus is one that the generator wrote."""
    return corpus.partition("-")[0] == DEMO_CORPUS


def frame_path(frames: str, number: int) -> str:
    """Path of one frame, from a path with `{}` or `{:05d}` where its number goes."""
    return FRAME_NUMBER.sub(lambda match: str(number).zfill(int(match[1] or 0)), frames)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One annotated micro-expression; nothing is loaded.

    `frames` is a path below the root of the corpora with `{}`, or `{:05d}` where names are zero-padded, where the frame
    number goes; of a video it is the path alone, and its first frame is number 1. `numbers` are the frame numbers that
    exist on disk, ascending; `onset`, `apex` and `offset` are among them. `cropped` says that the release has cropped
    the frames to the face. `digest` stands for the bytes of all frames.
    """

    corpus: str
    subject: str
    name: str
    emotion: str
    label: str
    action_units: str
    frames: str
    numbers: tuple[int, ...]
    onset: int
    apex: int
    offset: int
    apex_source: ApexSource
    fps: float
    cropped: bool
    digest: str = ""
    notes: str = ""

    @property
    def id(self) -> str:
        """Unique in the data set; subject and name alone are not."""
        return f"{self.corpus}/{self.subject}/{self.name}"

    @property
    def person(self) -> str:
        """What leave-one-subject-out leaves out: subject ids are unique within a corpus only."""
        return f"{self.corpus}/{self.subject}"

    def frame(self, number: int) -> str:
        """Path of one frame below the corpus root."""
        return frame_path(self.frames, number)


@dataclass(frozen=True, kw_only=True)
class Face:
    """Where the face of one clip lies: one similarity for the whole clip, found on its onset frame.

    `transform` is `(2, 3)` float64 and maps frame pixels to aligned pixels; `boxes` has one `Box` a region of interest.
    `source` says how the face was found, `confidence` how sure that is, 0 to 1; None where nothing was looked for.
    """

    clip: str
    transform: NDArray[np.float64]
    boxes: tuple[Box, ...]
    source: FaceSource
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class FlowSequence:
    """Motion of one clip.

    Convention: `flow[t, 0]` is motion to the right and `flow[t, 1]` motion down, in aligned pixels over window t.
    A mouth corner that moves 2 px to the right gives +2 in channel 0; beyond the edges of the camera's frame there is
    none, 0. `flow` is `(T, 2, H, W)` float16 where `unit`
    is "px"; published maps are "stretched": 8-bit levels, `(1, 3, H, W)`, and bring their own strain as channel 2.
    """

    clip: str
    flow: NDArray[np.float16]
    windows: tuple[str, ...]
    unit: FlowUnit


@dataclass(frozen=True, kw_only=True)
class FaceStore:
    """What was measured of the faces of all clips of a data set, memory-mapped.

    `crops` is `(N, 2, H, W, 3)` uint8: the aligned onset and apex, BGR. `flow` is `(N, T, C, H, W)` float16, `boxes`
    `(N, R, 4)` int64 in the same pixels, `regions` the names of R.
    """

    clips: tuple[str, ...]
    crops: NDArray[np.uint8]
    flow: NDArray[np.float16]
    windows: tuple[str, ...]
    unit: FlowUnit
    boxes: NDArray[np.int64]
    regions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a variant wants to see of every clip.

    `values` is `(N, C, s, s)`, `(N, R, C, s, s)` or `(N, W, R, C, s, s)` float32, or flat, `(N, P)`. `windows` names W,
    `regions` R; `mirror` `(R,)` is their order in a mirror. They are empty where there is no such axis.
    """

    values: NDArray[np.float32]
    windows: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a model sees: `inputs` `(N, …)` float32, `labels` `(N,)` int64, and who and what each row is, `(N,)` str.

    `active` `(N, R)` bool says which regions the annotated action units of a clip move; it is empty, `(N, 0)`, where
    inputs have no regions. `windows`, `regions` and `mirror` are those of `Inputs`.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    corpora: NDArray[np.str_]
    clips: NDArray[np.str_]
    active: NDArray[np.bool_]
    classes: tuple[str, ...]
    windows: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The same records for some rows only."""
        names = (f.name for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray))
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        return replace(self, **taken)


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Rows of one fold: `held_out` `(n,)` and `known` `(m,)` int64 share no subject.

    `part` `(m,)` int64 divides the known rows by subject into validation parts 0, 1, …: who validates on one of them
    trains on the others. `name` says who is held out, `repeat` which repetition of the protocol the fold belongs to.
    """

    name: str
    repeat: int
    seed: int
    test_rows: NDArray[np.int64]
    training_rows: NDArray[np.int64]
    validation_fold: NDArray[np.int64]

    @property
    def key(self) -> str:
        """Unique among the folds of all repetitions."""
        return f"{self.name}#{self.repeat}"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """All that the fitting of one fold may see: the known rows, their validation parts, and the fold's seed."""

    samples: Samples
    validation_fold: NDArray[np.int64]
    seed: int

    def split(self, fold: int) -> tuple[Samples, Samples]:
        """Training and validation rows for one who validates on a part."""
        validates = self.validation_fold == fold
        return self.samples.take(np.flatnonzero(~validates)), self.samples.take(np.flatnonzero(validates))


@dataclass(frozen=True, kw_only=True)
class History:
    """Curves of one fold, a value an epoch, never of the held-out subject; empty for models without epochs."""

    training_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    validation_uar: tuple[float, ...] = ()


class Fitted(Protocol):
    """A trained model, and how its training went."""

    @property
    def chosen(self) -> str:
        """What was chosen inside the training part, as text: an epoch, a regularisation strength."""
        ...

    @property
    def history(self) -> History:
        """Training and validation curves."""
        ...

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities, `(n, K)`, of inputs `(n, …)`."""
        ...

    def checkpoint(self) -> Mapping[str, NDArray[Any]]:
        """Arrays that bring the fitted model back, among them the `shape` of one sample."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """A trained model that can say what counted."""

    def explain(self, inputs: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
        """What counted for each of inputs `(n, …)`, arrays `(n, …)` by the names of `Importances`; may be empty."""
        ...


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What one fold predicted for its held-out rows, `probabilities` `(n, K)` float64, and how it came to it.

    `importances` has what counted for each row, arrays `(n, …)` by the names of `Importances`; it is empty for a model
    that cannot say. `checkpoint` has the arrays that bring the fitted model back; it is empty unless it was asked for.
    """

    plan: FoldPlan
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    chosen: str
    history: History
    seconds: float
    importances: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    checkpoint: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class of each held-out row, `(n,)`."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one model predicted for the clips that its protocol holds out, once in every repetition.

    `truth` `(n,)` and `predicted` `(repeats, n)` int64 index `classes`; `probabilities` is `(repeats, n, K)` float64.
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
        """One class a clip, `(n,)`: the most probable one on average over repetitions."""
        if len(self.predicted) == 1:
            return self.predicted.ravel()  # stored probabilities are rounded, and rounding can make a tie
        return np.asarray(self.probabilities.mean(axis=0).argmax(axis=1), dtype=np.int64)

    def of_subjects(self, subjects: Collection[str]) -> Self:
        """The predictions for the clips of some subjects."""
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
    """What counted for n held-out clips, each looked at by a hybrid that had never seen its subject.

    Weights of one kind sum to 1 a clip; those of a missing branch are 0. `fusion` `(n, 2)`: graph, transformer.
    `graph_regions` and `transformer_regions` are `(n, R)`, `windows` `(n, W)`. Row i of `attention` `(n, R, R)` is what
    region i took from each in the graph. float64, means over members, attention heads, layers and repetitions of the
    protocol; `region_names` and `window_names` name R and W.
    """

    clips: NDArray[np.str_]
    region_names: tuple[str, ...]
    window_names: tuple[str, ...]
    fusion: NDArray[np.float64]
    graph_regions: NDArray[np.float64]
    transformer_regions: NDArray[np.float64]
    windows: NDArray[np.float64]
    attention: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores of some clips, pooled over the folds of a repetition, then averaged over repetitions.

    `confusion` is `(K, K)`, truth down, prediction across, summed over repetitions; `clips` counts a clip once.
    """

    confusion: tuple[tuple[int, ...], ...]
    uf1: float
    uar: float
    accuracy: float
    clips: int
    subjects: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one model; intervals are 95 % subject-bootstrap percentiles.

    `uf1_sd` and `uar_sd` are standard deviations over repetitions; they are 0 where there is one repetition, which
    says nothing of how much seeds matter. `ece` is the expected calibration error of all predictions. Means over folds
    are not comparable with pooled scores: a fold has few clips, and seldom all classes. `note` says what keeps the
    scores from meaning what they seem to; it is empty where nothing does.
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
    """How much better a model is than a baseline on the same clips: differences are the model's score minus its.

    Intervals are 95 % percentiles of the difference over the same draws of subjects. `only_model` and `only_baseline`
    count the clips that one of the two alone has right, `mcnemar_p` is the probability of a split at least that uneven
    were both equally good.
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
        """Whether the difference in UF1 can be told from zero: its interval lies on one side of it.

        It cannot where one subject was held out, whose interval is a point.
        """
        low, high = self.uf1_interval
        return self.subjects > 1 and (low > 0 or high < 0)
