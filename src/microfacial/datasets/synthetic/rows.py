"""Make the rows of each corpus from the drawn clips: names, frame numbers and quirks.

A plan of three persons with two clips each, and two clips of the class `others`, shows every quirk. The module of each
corpus in `datasets` describes its layout and gives the source. The functions here explain only the quirks that are not
described there.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from microfacial.datasets.synthetic.clips import DemoClip
from microfacial.datasets.synthetic.release_records import ReleaseLayout, SheetRow
from microfacial.datasets.synthetic.tables import CASME_SQ_VIDEOS

_OBJECTIVE_CLASSES = {"happiness": 1, "surprise": 2, "disgust": 4, "repression": 7, "others": 7}
_SMIC_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_MMEW_CODES = ("happiness", "surprise", "disgust", "fear", "sadness", "others", "anger")

# Action units in the notations that occur in SAMM. `{}` stands for the action units of the clip.
_SAMM_UNITS = ("{} ", "ref(7B)+43", "{}+7C", "L12 or L14", "A12+12A", "(R6 or R12)+R15", "T18+B25", "10A/B+soft focus")


def make_casme_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of CASME.

    Clip names end in a number without a leading zero. The frame numbers of every second subject are zero-padded.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    for index, clip in enumerate(clips):
        name = f"EP{index // 6 + 1:02d}_{2 * index + subject % 2 + 1}"
        yield _make_row(layout, subject, clip, name=name, digits=1 if subject % 2 else 3)


def make_casme2_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of CASME II. The sheet has a slash for an apex that is not known.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    for clip in clips:
        yield _make_row(layout, subject, clip, apex=clip.apex if clip.apex_known else "/")


def make_samm_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of SAMM.

    Frame numbers cross 999 and 9999, and have at least four digits or five. Subject 028 has an apex after the end of
    its clip.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    for index, clip in enumerate(clips):
        row = _make_row(
            layout,
            subject,
            clip,
            shift=9999 - clip.apex if index % 2 else 900,
            name=f"{subject:03d}_{index % 7 + 1}_{index // 7 + 1}",
            action_units=_SAMM_UNITS[index % len(_SAMM_UNITS)].format(clip.action_units),
            digits=5 if clip.subject % 3 == 0 else 4,
        )
        yield replace(row, apex=row.frames.stop + 8) if (subject, index) == (28, 1) else row


def make_samm_lv_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of SAMM Long Videos. A video holds two clips with continuous frame numbers from 1.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """

    def name_clip(index: int) -> dict[str, Any]:
        video = f"{subject:03d}_{index // 2 + 1}"
        return {"name": f"{video}_{index % 2 + 1}", "video": video, "digits": 5 if subject % 3 == 0 else 4}

    yield from _make_video_rows(layout, subject, clips, name_clip, first=1)


def make_smic_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of SMIC.

    Frame numbers increase from clip to clip. Those of s20 have eight digits. There is no apex.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    counts = Counter[str]()
    for index, clip in enumerate(clips):
        code = _SMIC_CODES[layout.emotions[clip.emotion]]
        counts[code] += 1
        start = 17_580_939 if subject == 20 else 900 * subject
        name = f"s{subject}_{code}_{counts[code]:02d}"
        yield _make_row(layout, subject, clip, start + 500 * index, name=name, apex=None, digits=6)


def make_smic_e_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of SMIC-E. They are those of SMIC with apexes. One clip of s3 has no long video.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    rows = make_smic_rows(layout, subject, clips)
    for index, (clip, row) in enumerate(zip(clips, rows, strict=True)):
        lost = (subject, index) == (3, 1)
        apex = row.onset + clip.apex - clip.onset
        yield replace(row, offset=None, frames=range(0)) if lost else replace(row, apex=apex)


def make_casme3_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of CAS(ME)^3.

    A video holds two clips with continuous frame numbers. Subjects 1 and 40 have quirks.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """

    def name_clip(index: int) -> dict[str, Any]:
        video = ("jabcdefghiklm" if subject == 1 else "abcdefghijklm")[index // 2]
        return {"name": video, "video": video}

    for index, row in enumerate(_make_video_rows(layout, subject, clips, name_clip, first=0)):
        yield _add_casme3_quirks(row, index)


def make_casme3_c_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of part C of CAS(ME)^3. The only video holds all clips. There is no apex.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """

    def name_clip(index: int) -> dict[str, Any]:
        return {"name": str(index + 1), "apex": None}

    yield from _make_video_rows(layout, subject, clips, name_clip, first=0, clips_per_video=len(clips))


def make_casme_sq_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of CAS(ME)^2.

    A video holds two clips with continuous frame numbers from 1. The table gives no offset for the second clip of
    subject 15. The second video of subject 23 lies in the folder of subject 19.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """

    def name_clip(index: int) -> dict[str, Any]:
        name, folder = list(CASME_SQ_VIDEOS.items())[index // 2]
        place = 19 if (subject, name) == (23, "happy1") else subject
        return {"name": f"{name}_{index % 2 + 1}", "video": f"s{place}/{subject}_{folder}"}

    for index, row in enumerate(_make_video_rows(layout, subject, clips, name_clip, first=1)):
        yield replace(row, offset=0) if (subject, index) == (15, 1) else row


def make_dfme_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of DFME. Frames count from zero, and the onset is the first.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    for index, clip in enumerate(clips, 1):
        yield _make_row(layout, subject, clip, -clip.onset, name=f"sub{subject:04d}_{index:02d}", digits=5)


def make_4dme_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of 4DME. The third clip of subject 2 has two emotions.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    for index, clip in enumerate(clips, 1):
        row = _make_row(layout, subject, clip, 900, name=f"S{subject:02d}_1st_001_{index:02d}_1", digits=9)
        yield replace(row, emotion="Surprise+Positive") if (subject, index) == (2, 3) else row


def make_mmew_rows(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Yield the rows of one subject of MMEW. Clip names give subject, emotion and sample. Frames count from 1.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
    """
    counts = Counter[str]()
    for clip in clips:
        emotion = layout.emotions[clip.emotion]
        counts[emotion] += 1
        name = f"S{subject:02d}-{_MMEW_CODES.index(emotion) + 1:02d}-{counts[emotion]:03d}"
        yield _make_row(layout, subject, clip, 1 - clip.onset, name=name)


def _make_video_rows(
    layout: ReleaseLayout,
    subject: int,
    clips: Sequence[DemoClip],
    name_clip: Callable[[int], dict[str, Any]],
    *,
    first: int,
    clips_per_video: int = 2,
) -> Iterator[SheetRow]:
    """Yield the rows of one subject whose clips follow each other in videos.

    Args:
        layout: Layout of the release.
        subject: Number of the subject in the corpus.
        clips: Clips of the subject.
        name_clip: Returns fields of the row, given the index of the clip from 0.
        first: Number of the first frame of a video.
        clips_per_video: Number of clips in a video.
    """
    start = first
    for index, clip in enumerate(clips):
        start = start if index % clips_per_video else first
        row = _make_row(layout, subject, clip, start + layout.extra_frames - clip.onset, **name_clip(index))
        start = row.frames.stop
        yield row


def _make_row(layout: ReleaseLayout, subject: int, clip: DemoClip, shift: int = 0, **changes: Any) -> SheetRow:
    """Return the row of one clip. `shift` is added to its frame numbers, and `changes` replace fields of the row."""
    onset, offset = clip.onset + shift, clip.offset + shift
    row = SheetRow(
        subject=subject,
        name=clip.name,
        emotion=layout.emotions[clip.emotion],
        onset=onset,
        apex=clip.apex + shift,
        offset=offset,
        frames=range(onset - layout.extra_frames, offset + layout.extra_frames + 1),
        action_units=clip.action_units,
        objective=_OBJECTIVE_CLASSES[clip.emotion],
    )
    return replace(row, **changes)


def _add_casme3_quirks(row: SheetRow, index: int) -> SheetRow:
    """Return the row of a subject's clip `index` with the mistakes that the real table has."""
    if row.subject == 40 and row.emotion == "others":
        return replace(row, emotion="Others")
    match row.subject, index:
        case 1, 0:
            return replace(row, name="J")
        case 1, 1:
            return replace(row, apex=row.onset)
        case 40, 1:
            return replace(row, offset=0)
    return row
