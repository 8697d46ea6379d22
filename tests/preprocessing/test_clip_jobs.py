from pathlib import Path

import pytest

from fakes import make_clip
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing import clip_jobs
from microfacial.preprocessing.clip_jobs import complete_clip, require_own_frames

MIDPOINT = make_clip(apex_source="midpoint", notes="no apex")


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> list[DatasetError]:
    """Return a list whose last error is raised when the frames are read."""
    errors: list[DatasetError] = []

    def read(*_: object) -> None:
        raise errors[-1]

    monkeypatch.setattr(clip_jobs, "read_aligned_frames", read)
    monkeypatch.setattr(clip_jobs, "digest_frames", lambda *_: "0")
    return errors


def test_a_clip_without_a_face_keeps_the_midpoint_and_says_why(unreadable: list[DatasetError]) -> None:
    unreadable.append(NoFaceError("1.jpg shows no face"))
    clip = complete_clip(MIDPOINT, Path(), spots=True)
    assert (clip.apex, clip.apex_source) == (5, "midpoint")
    assert clip.notes.endswith("1.jpg shows no face")


def test_a_damaged_frame_is_an_error_and_no_reason_to_take_the_midpoint(unreadable: list[DatasetError]) -> None:
    unreadable.append(DatasetError("4.jpg is truncated"))
    with pytest.raises(DatasetError, match="truncated"):
        complete_clip(MIDPOINT, Path(), spots=True)


def test_the_same_frames_under_two_subjects_are_refused_and_under_one_subject_accepted() -> None:
    clips = [make_clip(digest="1"), make_clip(name="second", onset=3, digest="1"), make_clip(subject="t", digest="2")]
    require_own_frames(clips)
    with pytest.raises(DatasetError, match=r"c/t/copy .*c/s/n,.*clips\.exclude"):
        require_own_frames([*clips, make_clip(subject="t", name="copy", digest="1")])
