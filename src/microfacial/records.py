"""The nouns of MicroFacial: frozen records that flow down the pipeline once.

Axes: N clips or samples · T windows · R regions · C channels · H, W pixels · K classes · S subjects.

    Clip ──locate──▶ Face ──compute_flow──▶ FlowSequence ──make_inputs──▶ Samples
                                                                            │ plan_folds
      Report ◀──summarise── Evaluation ◀──pool── FoldResult × S ◀──run_folds┘
"""

import re
from dataclasses import dataclass, fields
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

ApexSource = Literal["annotated", "midpoint", "spotted"]
FaceSource = Literal["landmarks", "template", "whole"]
FlowUnit = Literal["px", "stretched"]
Box = tuple[int, int, int, int]
"""A region in aligned pixels: top, left, bottom, right; bottom and right are exclusive."""

FRAME_NUMBER = re.compile(r"\{(?::0(\d+)d)?\}")
"""Where the number of a frame goes in a path: `{}` as it is, `{:05d}` filled with zeros to five digits."""

DEMO_CORPUS = "demo"  # synthetic clips in the layout of CASME II; those in another corpus' layout are demo-<corpus>
SYNTHETIC = "synthetic: no measure of accuracy"  # stands wherever a score of such clips does
ONSET_APEX = "onset>apex"
PHASE_WINDOWS = ("onset>rise", "rise>apex", "apex>fall", "fall>offset")


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
class FlowStore:
    """The flow of all clips of a data set, memory-mapped.

    `flow` is `(N, T, C, H, W)` float16, `boxes` `(N, R, 4)` int64 in the same pixels, `regions` the names of R.
    """

    clips: tuple[str, ...]
    flow: NDArray[np.float16]
    windows: tuple[str, ...]
    unit: FlowUnit
    boxes: NDArray[np.int64]
    regions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a model sees: `inputs` `(N, …)` float32, `labels` `(N,)` int64, and who and what each row is, `(N,)` str."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    corpora: NDArray[np.str_]
    clips: NDArray[np.str_]
    classes: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The same records for some rows only."""
        taken = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "classes"}
        return type(self)(**taken, classes=self.classes)


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Rows of one fold, `(n,)` int64 each: no subject stands in two of the three."""

    subject: str
    seed: int
    held_out: NDArray[np.int64]
    validation: NDArray[np.int64]
    training: NDArray[np.int64]


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


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What one fold predicted for its held-out subject, `probabilities` `(n, K)` float64, and how it came to it."""

    plan: FoldPlan
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    chosen: str
    history: History
    seconds: float

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class of each held-out row, `(n,)`."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Pooled scores of some clips. `confusion` is `(K, K)`: truth down, prediction across."""

    confusion: tuple[tuple[int, ...], ...]
    uf1: float
    uar: float
    accuracy: float
    clips: int
    subjects: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one model, pooled over all folds; intervals are 95 % subject-bootstrap percentiles.

    `note` says what keeps the scores from meaning what they seem to; it is empty for real clips.
    """

    model: str
    classes: tuple[str, ...]
    overall: Score
    corpora: dict[str, Score]
    uf1_interval: tuple[float, float]
    uar_interval: tuple[float, float]
    mean_over_folds_uar: float
    note: str
