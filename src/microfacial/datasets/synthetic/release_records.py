"""Records that describe a release: one row of its table, the table, and its layout on disk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from microfacial.datasets.synthetic.camera import CROP, View
from microfacial.datasets.synthetic.clips import DemoClip

Cells = tuple[str | int | None, ...]
"""The cells of one row of a table, from left to right. None is an empty cell."""


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One micro-expression as a corpus lists it. Frame numbers are those of the files.

    Attributes:
        subject: Number of the subject in the corpus.
        name: Name of the clip.
        emotion: Emotion in the words of the corpus.
        onset: Onset frame. It is always right.
        apex: Apex frame as the table gives it. It may be missing or impossible.
        offset: Offset frame as the table gives it. It may be missing or impossible.
        frames: Numbers of the frame files on disk.
        action_units: Action units in the notation of the corpus.
        objective: Objective class of the action units, 1 to 7.
        digits: Smallest number of digits of a frame number in a file name.
        video: Folder of the video, for corpora in which several clips share a video.
    """

    subject: int
    name: str
    emotion: str
    onset: int
    apex: int | str | None
    offset: int | None
    frames: range
    action_units: int | str = ""
    objective: int = 7
    digits: int = 4
    video: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The annotation table of a corpus.

    Attributes:
        path: Path of the workbook below the root of the release.
        header: Cells of the header. Empty if the table has none.
        cells: Function that returns the cells of a row, given the row and its line number in the sheet.
        sheet: Name of the sheet that holds the table.
        above: Rows above the header.
        below: Rows below the table.
        further: Names and rows of the sheets after it.
    """

    path: str
    header: Cells
    cells: Callable[[SheetRow, int], Cells]
    sheet: str = "Sheet1"
    above: tuple[Cells, ...] = ()
    below: tuple[Cells, ...] = ()
    further: tuple[tuple[str, tuple[Cells, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReleaseLayout:
    """The layout of a corpus on disk.

    Attributes:
        title: Name of the corpus.
        frame: Path of a frame below the root. It is a format string with the fields of `SheetRow` and `number`.
        make_rows: Function that returns the rows of one person's clips, given the layout, the number of the subject and
            the clips. It may change what the table says about a clip, but not the frames.
        subjects: Numbers of the subjects in the corpus. Subjects with quirks come first.
        emotions: The corpus' word for each drawn emotion.
        table: Annotation table; None for a corpus without one.
        other_tables: Further tables with the same rows.
        view: View of the camera.
        extra_frames: Number of frames on disk before the onset, and again after the offset.
        other_picture: Path of a picture that belongs to no clip, a format string like `frame`; empty if there is none.
        whole_videos: Whether the clips of a person follow each other in one video, with continuous head motion.
    """

    title: str
    frame: str
    make_rows: Callable[["ReleaseLayout", int, Sequence[DemoClip]], Iterator[SheetRow]]
    subjects: tuple[int, ...]
    emotions: Mapping[str, str]
    table: Table | None = None
    other_tables: tuple[Table, ...] = ()
    view: View = CROP
    extra_frames: int = 0
    other_picture: str = ""
    whole_videos: bool = False

    def path(self, row: SheetRow, number: int) -> str:
        """Return the path of one frame below the root of the release.

        Args:
            row: Row of the clip.
            number: Number of the frame.
        """
        return self.frame.format(number=number, **vars(row))
