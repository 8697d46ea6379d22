import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import pytest

from fakes import texture, touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.annotations import Annotation, FaultyRow
from microfacial.datasets.smic import open_smic
from microfacial.errors import DatasetError

CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "smic"
    path.mkdir()
    return path


def write_clip(
    root: Path,
    subject: str,
    emotion: str,
    numbers: Iterable[int],
    clip: int = 1,
    place: str = "HS",
    form: str = "image{:06d}.bmp",
) -> Path:
    """Write the frames of one clip of the short release, which has no table."""
    name = f"{subject}_{CODES.get(emotion, 'xx')}_{clip:02d}"
    touch_frames(root / place / subject / "micro" / emotion / name, form, numbers)
    return root


def read(root: Path, corpus: str = "smic_hs", **settings: object) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=(corpus,), root=str(root.parent), scheme="megc2019-3", **settings))  # type: ignore[arg-type]


def test_the_folder_gives_the_label_and_the_subject_is_padded(folder: Path) -> None:
    for number, emotion in enumerate(CODES, 3):
        write_clip(folder, f"s{number}", emotion, range(20, 30))
    clips = read(folder).clips
    assert [clip.id for clip in clips] == ["smic/s03/s3_ne_01", "smic/s04/s4_po_01", "smic/s05/s5_sur_01"]
    assert [clip.label for clip in clips] == ["negative", "positive", "surprise"]


def test_the_clip_has_all_frames_and_the_midpoint_as_apex(folder: Path) -> None:
    (clip,) = read(write_clip(folder, "s1", "negative", range(101, 112))).clips
    assert (clip.onset, clip.apex, clip.offset, clip.apex_source) == (101, 106, 111, "midpoint")
    assert clip.notes == "took the midpoint 106 as apex"


def test_the_nearest_frame_replaces_a_missing_midpoint_with_a_note(folder: Path) -> None:
    numbers = [number for number in range(101, 112) if number != 106]
    (clip,) = read(write_clip(folder, "s1", "negative", numbers)).clips
    assert clip.apex == 105
    assert clip.notes.endswith("apex frame 106 is missing, took 105")


def test_frame_numbers_have_six_digits_or_eight(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(995, 1004))
    write_clip(folder, "s20", "negative", range(17581039, 17581049))
    short, long = read(folder).clips
    assert short.frame(short.onset) == "smic/HS/s1/micro/negative/s1_ne_01/image000995.bmp"
    assert long.frame(long.onset) == "smic/HS/s20/micro/negative/s20_ne_01/image17581039.bmp"
    assert all((folder.parent / clip.frame(number)).exists() for clip in (short, long) for number in clip.numbers)


def test_cropped_frames_are_preferred_to_whole_frames(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(9))
    write_clip(folder, "s1", "negative", range(9), place="SMIC_all_cropped/HS", form="reg_image{:06d}.bmp")
    (clip,) = read(folder).clips
    assert clip.frames == "smic/SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image{:06d}.bmp"


@pytest.mark.parametrize(("reader", "camera", "fps"), [("smic_hs", "HS", 100), ("smic_vis", "VIS", 25)])
def test_only_the_frames_of_one_camera_are_read(folder: Path, reader: str, camera: str, fps: int) -> None:
    for place in ("HS", "VIS", "NIR"):
        write_clip(folder, "s1", "negative", range(9), place=place)
    (clip,) = read(folder, reader).clips
    assert (clip.frames.split("/")[1], clip.fps) == (camera, fps)


def test_clips_in_non_micro_are_not_read(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(9))
    touch_frames(folder / "HS/s1/non_micro/s1_non_01", "image{:06d}.bmp", range(9))
    touch_frames(folder / "HS/s1/non_micro/negative/s1_ne_09", "image{:06d}.bmp", range(9))
    assert len(read(folder).clips) == 1


def test_an_unknown_label_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"smic/s01/s1_xx_01: .*'neutral'"):
        read(write_clip(folder, "s1", "neutral", range(9)))


def test_a_clip_without_frames_is_refused_unless_excluded(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(9))
    write_clip(folder, "s1", "positive", [])
    with pytest.raises(DatasetError, match=r"smic/s01/s1_po_01 .*clips\.exclude"):
        read(folder)
    assert len(read(folder, exclude=("smic/s01/s1_po_01",)).clips) == 1


def test_a_clip_with_one_frame_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"smic/s01/s1_ne_01: offset 7 .*onset 7"):
        read(write_clip(folder, "s1", "negative", [7]))


def test_an_invalid_subject_folder_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="person_ne_01: 'person' "):
        read(write_clip(folder, "person", "negative", range(9)))


def test_a_folder_without_clips_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"SMIC: .*s<k>/micro/<emotion>/<clip> in .*HS"):
        read(folder)


def test_two_clips_with_the_same_id_are_refused(folder: Path) -> None:
    for emotion in ("negative", "positive"):
        touch_frames(folder / f"HS/s1/micro/{emotion}/s1_01", "image{:06d}.bmp", range(9))
    with pytest.raises(DatasetError, match=r"smic/s01/s1_01 .*twice"):
        read(folder)


def test_a_faulty_folder_does_not_affect_other_clips(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(9))
    write_clip(folder, "s1", "positive", range(9))
    touch_frames(folder / "HS/s1/micro/positive/s1_po_01", "other{}.bmp", range(9))
    write_clip(folder, "person", "negative", range(9))
    unnamed, usable, mixed = open_smic(folder).rows
    assert isinstance(unnamed, FaultyRow)
    assert isinstance(usable, Annotation)
    assert isinstance(mixed, FaultyRow)
    assert [row.id for row in (unnamed, usable, mixed)] == ["", "smic/s01/s1_ne_01", "smic/s01/s1_po_01"]
    assert re.search(r"image<N>\.bmp .*other<N>\.bmp", mixed.reason)


def test_a_clip_with_two_patterns_of_frame_names_can_be_excluded(folder: Path) -> None:
    write_clip(folder, "s1", "negative", range(9))
    write_clip(folder, "s1", "positive", range(9))
    touch_frames(folder / "HS/s1/micro/positive/s1_po_01", "other{}.bmp", range(9))
    assert len(read(folder, exclude=("smic/s01/s1_po_01",)).clips) == 1


def test_an_empty_folder_of_crops_does_not_hide_the_whole_frames(folder: Path) -> None:
    (folder / "SMIC_all_cropped/HS").mkdir(parents=True)
    assert len(read(write_clip(folder, "s1", "negative", range(9))).clips) == 1


def test_a_subject_folder_that_cannot_be_read_is_refused_and_not_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(folder, "s1", "negative", range(9))
    write_clip(folder, "s2", "negative", range(9))
    listed, scanned = Path.iterdir, os.scandir

    def list_others(path: Path) -> Iterator[Path]:
        if path.parts[-2:] == ("s2", "micro"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    def scan_others(path: str) -> object:
        if Path(path).parts[-2:] == ("s2", "micro"):
            raise PermissionError(13, "Permission denied")
        return scanned(path)

    monkeypatch.setattr(Path, "iterdir", list_others)
    monkeypatch.setattr(os, "scandir", scan_others)
    with pytest.raises(DatasetError, match=r"s2/micro .*Permission denied"):
        read(folder)


def test_a_clip_of_another_subject_is_a_fault(folder: Path) -> None:
    touch_frames(folder / "HS/s11/micro/positive/s1_po_01", "image{:06d}.bmp", range(9))
    with pytest.raises(DatasetError, match=r"'s11' .*s1_po_01"):
        read(folder)


def test_a_clip_in_the_folder_of_another_emotion_is_a_fault_and_can_be_excluded(folder: Path) -> None:
    write_clip(folder, "s2", "negative", range(9))
    touch_frames(folder / "HS/s1/micro/surprise/s1_ne_01", "image{:06d}.bmp", range(9))
    with pytest.raises(DatasetError, match=r"s1_ne_01: .*negative.*surprise"):
        read(folder)
    assert len(read(folder, exclude=("smic/s01/s1_ne_01",)).clips) == 1


def test_a_video_replaces_the_folder_of_a_clip(folder: Path) -> None:
    write_clip(folder, "s1", "positive", range(9))
    place = folder / "HS/s1/micro/negative"
    place.mkdir()
    (place / "._s1_ne_01.avi").touch()  # macOS writes such files
    (place / "preview.avi").touch()  # not the name of a clip
    video = cv2.VideoWriter(f"{place}/s1_ne_01.avi", cv2.VideoWriter.fourcc(*"MJPG"), 100.0, (64, 64))
    for number in range(9):
        video.write(texture(64, 64, number))
    video.release()
    clip, other = read(folder).clips
    assert (clip.id, other.id) == ("smic/s01/s1_ne_01", "smic/s01/s1_po_01")
    assert (clip.onset, clip.apex, clip.offset, clip.numbers) == (1, 5, 9, tuple(range(1, 10)))
    assert clip.frames == "smic/HS/s1/micro/negative/s1_ne_01.avi"
