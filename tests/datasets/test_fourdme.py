from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.action_units import ActionUnit, parse_action_units
from microfacial.datasets.validation import find_releases
from microfacial.errors import DatasetError

HEADER = ["sub_ID", "fold_name", "Emotion", "Onset", "Apex", "Offset", "AUs", "AU4", "AU7", "Positive", "eye blink"]
WriteFourDme = Callable[..., Path]


@pytest.fixture
def write_4dme(tmp_path: Path) -> WriteFourDme:
    """Return a function that writes 4DME: the table, and the frames of one clip per emotion."""

    def write(
        emotions: Sequence[str],
        variant: str = "gray_micro",
        name: str = "4DME_Labelling_Micro_release v1.xlsx",
        subject: str = "S13",
    ) -> Path:
        folder = tmp_path / "4dme"
        book = Workbook()
        book.worksheets[0].append(HEADER)
        for number, emotion in enumerate(emotions):
            clip = f"S13_1st_001_{number:02d}_1"
            book.worksheets[0].append([subject, clip, emotion, 98, 100, 103, "AU4(k)+L7", 1, 1, 0, 0])
            touch_frames(folder / variant / subject / clip, "Frame_{:09d}.jpg", range(97, 105))
        book.save(folder / name)
        return folder

    return write


def read(root: Path, scheme: str = "4dme-5") -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("4dme",), root=str(root.parent), scheme=scheme))


def test_a_clip_has_the_padded_frames_from_onset_to_offset(write_4dme: WriteFourDme) -> None:
    (clip,) = read(write_4dme(["Repression"])).clips
    assert clip.id == "4dme/S13/S13_1st_001_00_1"
    assert clip.frame(100) == "4dme/gray_micro/S13/S13_1st_001_00_1/Frame_000000100.jpg"
    assert (clip.numbers, clip.apex, clip.label, clip.cropped) == (tuple(range(98, 104)), 100, "repression", False)
    assert not clip.notes


def test_a_unit_with_the_mark_k_is_static(write_4dme: WriteFourDme) -> None:
    (clip,) = read(write_4dme(["Others"])).clips
    assert parse_action_units(clip.action_units) == (
        ActionUnit(number=4, static=True),
        ActionUnit(number=7, side="left"),
    )


@pytest.mark.parametrize("variant", ["gray_micro_crop", "micro_short_gray_video_cropped"])
def test_cropped_frames_are_preferred(write_4dme: WriteFourDme, variant: str) -> None:
    write_4dme(["Others"])
    (clip,) = read(write_4dme(["Others"], variant)).clips
    assert clip.frames.startswith(f"4dme/{variant}/")
    assert clip.cropped


@pytest.mark.parametrize("scheme", ["4dme-3", "4dme-5"])
@pytest.mark.parametrize("emotions", ["Surprise+Positive", "Positive + surprise"])
def test_clips_with_two_emotions_are_left_out_in_any_order(
    write_4dme: WriteFourDme, emotions: str, scheme: str
) -> None:
    listing = read(write_4dme(["Surprise", emotions]), scheme)
    assert [clip.label for clip in listing.clips] == ["surprise"]
    assert listing.dropped == {"positive+surprise": 1}


def test_an_unknown_emotion_beside_a_known_one_is_refused(write_4dme: WriteFourDme) -> None:
    with pytest.raises(DatasetError, match=r"'bored\+surprise'"):
        read(write_4dme(["Surprise+Bored"]))


@pytest.mark.parametrize("name", ["4dme_labelling_micro_release v2.xlsx", "labels.xlsx"])
def test_doctor_recognises_the_release_by_name_and_by_columns(write_4dme: WriteFourDme, name: str) -> None:
    assert [release.corpus for release in find_releases(write_4dme(["Others"], name=name))] == ["4dme"]


def test_a_clip_of_another_subject_is_a_fault(write_4dme: WriteFourDme) -> None:
    with pytest.raises(DatasetError, match=r"row 2: .*'S02' .*S13_1st_001_00_1"):
        read(write_4dme(["Others"], subject="S02"))


def test_a_subject_may_have_the_number_of_a_session(write_4dme: WriteFourDme) -> None:
    assert read(write_4dme(["Others"], subject="S13_1st")).clips[0].subject == "S13_1st"


def test_the_table_with_the_highest_version_is_read(write_4dme: WriteFourDme) -> None:
    write_4dme(["Others"])
    root = write_4dme(["Positive"], name="4DME_Labelling_Micro_release v2.xlsx")
    assert [clip.label for clip in read(root).clips] == ["positive"]
