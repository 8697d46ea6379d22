"""Records of an annotated release: its rows, and the function that joins a row with its frames."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from microfacial.records import DEMO_CORPUS, Clip

SYNTHETIC_MARKER = "SYNTHETIC.txt"
"""File that marks a folder of synthetic clips, so that they are not taken for clips of the corpus."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One usable row of an annotation table.

    Attributes:
        corpus: name of the corpus; `demo` or `demo-<corpus>` for synthetic clips.
        vocabulary: corpus whose words for emotions the row uses.
        subject: id of the subject.
        name: id of the clip, unique among the clips of the subject.
        emotion: emotion in the annotators' words.
        action_units: action units in the annotators' notation; empty if none are annotated.
        onset: number of the onset frame, as in the file names.
        apex: number of the apex frame; None if it is not annotated.
        offset: number of the offset frame.
        fps: frames per second of the camera.
        cropped: whether the release has cropped the frames to the face.
        where: place of the row, for messages.
        notes: changes to the row.
    """

    corpus: str
    vocabulary: str
    subject: str
    name: str
    emotion: str
    action_units: str
    onset: int
    apex: int | None
    offset: int
    fps: float
    cropped: bool = False
    where: str = field(default="", compare=False)
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id of the clip, such as `casme2/sub04/EP12_01f`. Messages and `clips.exclude` use it."""
        return clip_id(self.corpus, self.subject, self.name)


@dataclass(frozen=True, kw_only=True)
class FaultyRow:
    """A row that cannot be used.

    Attributes:
        id: clip id; empty if the row does not give it.
        reason: error message.
    """

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SkippedRow:
    """A row that is left out without an error, because the release has no frames for it, or it is a macro-expression.

    Attributes:
        id: clip id.
        reason: reason in words.
        macro: the macro-expression of the row; None if the row has none, or is faulty.
    """

    id: str
    reason: str
    macro: "Annotation | None" = None


AnnotationRow = Annotation | FaultyRow | SkippedRow


@dataclass(frozen=True, kw_only=True)
class Release:
    """One corpus on disk.

    Attributes:
        rows: all rows of the annotation table.
        make_clip: `make_clip(row, label, max_gap)` joins a row with its frames. The path of the frames starts from the
            folder of the release.
        locate: returns the path of a row's frames below the folder of the release, with `{}` or `{:05d}` at the frame
            number; None if the release has no videos.
    """

    rows: tuple[AnnotationRow, ...]
    make_clip: Callable[[Annotation, str, int], Clip]
    locate: Callable[[Annotation], str] | None = None


def clip_id(corpus: str, subject: str, name: str) -> str:
    """Return the id of a clip, which is unique in a data set.

    Args:
        corpus: name of the corpus.
        subject: id of the subject.
        name: id of the clip, unique among the clips of the subject.
    """
    return f"{corpus}/{subject}/{name}"


def name_corpus(folder: Path, corpus: str) -> str:
    """Return the name of the corpus in a folder. Synthetic clips have a name of their own.

    Args:
        folder: folder of the release.
        corpus: name of the corpus in whose layout the release is.

    Returns:
        `corpus`; or `demo` or `demo-<corpus>` if the folder contains `SYNTHETIC_MARKER`.
    """
    if not (folder / SYNTHETIC_MARKER).exists():
        return corpus
    return DEMO_CORPUS if corpus == "casme2" else f"{DEMO_CORPUS}-{corpus}"
