"""Every synthetic release has the layout and the quirks of its corpus, and the reader of the corpus reads it."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook

from microfacial.datasets import ClipsConfig, CorpusName, list_clips
from microfacial.datasets.action_units import parse_action_units
from microfacial.datasets.annotations import SYNTHETIC_MARKER
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.write import NOTICE, write_release
from microfacial.errors import DatasetError
from microfacial.records import Clip, Image, is_synthetic

SIZES = {  # height and width of a frame, in pixels, at a quarter of the full size
    "4dme": (120, 160),
    "casme": (85, 70),
    "casme2": (85, 70),
    "casme2_2014": (85, 70),
    "casme2_raw": (120, 160),
    "casme3": (180, 320),
    "casme3_c": (180, 320),
    "casme_sq": (120, 160),
    "dfme": (120, 160),
    "mmew": (73, 73),
    "samm": (162, 240),
    "samm_lv": (162, 240),
    "smic_e_hs": (120, 160),
    "smic_e_nir": (120, 160),
    "smic_e_vis": (120, 160),
    "smic_hs": (120, 160),
    "smic_nir": (120, 160),
    "smic_vis": (120, 160),
}
SCHEMES: dict[CorpusName, str] = {
    "4dme": "4dme-5",
    "casme": "casme-4",
    "casme2": "casme2-5",
    "casme3": "casme3-7",
    "casme3_c": "casme3-4",
    "casme_sq": "casme_sq-4",
    "dfme": "dfme-7",
    "mmew": "mmew-4",
    "samm": "samm-5",
    "samm_lv": "samm-5",
    "smic_e_hs": "megc2019-3",
    "smic_e_nir": "megc2019-3",
    "smic_e_vis": "megc2019-3",
    "smic_hs": "megc2019-3",
    "smic_nir": "megc2019-3",
    "smic_vis": "megc2019-3",
}
READ_AS: dict[str, CorpusName] = {
    **{corpus: corpus for corpus in SCHEMES},
    "casme2_2014": "casme2",
    "casme2_raw": "casme2",
}
NO_OFFSET = "demo-casme3/spNO.40/a_15"

Release = Callable[[str], Path]


def read(folder: Path, corpus: str) -> list[Clip]:
    """Return the clips of a release. Exclude the clip of CAS(ME)^3 without an annotated offset."""
    config = {
        "name": "t",
        "root": str(folder.parent),
        "corpora": (READ_AS[corpus],),
        "scheme": SCHEMES[READ_AS[corpus]],
        "exclude": (NO_OFFSET,) if corpus == "casme3" else (),
    }
    return list(list_clips(ClipsConfig.model_validate(config)).clips)


def cells(root: Path, corpus: str) -> list[tuple[Any, ...]]:
    """Return all cells of the annotation sheet."""
    table = LAYOUTS[corpus].table
    assert table is not None
    return list(load_workbook(root / table.path)[table.sheet].iter_rows(values_only=True))


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_frame(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(np.uint8)


# --- every corpus ---


@pytest.mark.parametrize("corpus", LAYOUTS)
def test_the_reader_of_a_corpus_finds_every_clip_and_its_frames(release: Release, corpus: str) -> None:
    root = release(corpus).parent
    clips = read(release(corpus), corpus)
    # A clip with two emotions; happiness is no class; no annotated offset; two clips of sadness; a lost video.
    omitted = {"4dme": 1, "casme": 1, "casme3": 1, "mmew": 2, "smic_e_hs": 1}
    assert len(clips) == 11 - omitted.get(corpus, 0)
    assert all(map(is_synthetic, {clip.corpus for clip in clips}))
    for clip in clips:
        assert {(root / clip.frame(number)).suffix for number in clip.numbers} <= {".jpg", ".bmp", ".png"}
        assert all((root / clip.frame(number)).is_file() for number in clip.numbers)
        assert clip.numbers == tuple(range(clip.onset, clip.offset + 1))


@pytest.mark.parametrize("corpus", LAYOUTS)
def test_frames_have_the_size_and_the_colours_of_the_camera(release: Release, corpus: str) -> None:
    root = release(corpus)
    path = next(path for path in sorted(root.rglob("*")) if path.suffix in (".jpg", ".bmp", ".png"))
    image = read_frame(path)
    assert image.shape == (*SIZES[corpus], 3)
    assert (np.ptp(image, axis=2).max() == 0) == (corpus in ("4dme", "samm", "samm_lv", "smic_e_nir", "smic_nir"))


@pytest.mark.parametrize("corpus", LAYOUTS)
def test_a_release_contains_the_notice_that_it_is_synthetic(release: Release, corpus: str) -> None:
    notice = (release(corpus) / SYNTHETIC_MARKER).read_text()
    assert notice == NOTICE.format(title=LAYOUTS[corpus].title)


def test_an_existing_release_is_refused(release: Release) -> None:
    with pytest.raises(DatasetError, match=str(release("samm"))):
        write_release("samm", release("samm"))


@pytest.mark.parametrize("corpus", LAYOUTS)
def test_no_subject_is_listed_twice(corpus: str) -> None:
    subjects = LAYOUTS[corpus].subjects
    assert len(set(subjects)) == len(subjects)


# --- CASME II ---


def test_the_casme2_sheet_of_2014_has_no_objective_classes(release: Release) -> None:
    older, newer = cells(release("casme2_2014"), "casme2_2014"), cells(release("casme2"), "casme2")
    assert newer[0][-1] == "Objective Classes"
    assert older == [row[:-1] for row in newer]


def test_raw_clips_of_casme2_have_frames_before_the_onset_and_after_the_offset(release: Release) -> None:
    root = release("casme2_raw")
    clip = read(root, "casme2_raw")[0]
    folder = (root.parent / clip.frame(clip.onset)).parent
    numbers = range(clip.onset - 3, clip.offset + 4)
    assert file_names(folder) == sorted(f"img{number}.jpg" for number in numbers)


# --- SAMM ---


def test_the_header_of_samm_is_in_row_14_below_notes(release: Release) -> None:
    rows = cells(release("samm"), "samm")
    assert rows[13][:2] == ("Subject", "Filename")
    assert all(row[0].startswith("Note") for row in rows[:13])
    assert (rows[14][0], rows[14][6], rows[14][7]) == ("006", "=SUM(F15-D15)+1", "Micro - 1/2")
    assert {row[9] for row in rows[14:]} == {"Happiness", "Anger", "Surprise", "Contempt", "Other"}


def test_one_apex_of_samm_is_after_the_end_of_its_clip(release: Release) -> None:
    rows = cells(release("samm"), "samm")[14:]
    assert [(row[1], row[4] - row[5]) for row in rows if row[4] > row[5]] == [("028_2_1", 9)]


def test_frame_numbers_of_samm_gain_a_digit_within_a_clip(release: Release) -> None:
    files = file_names(release("samm") / "SAMM/006/006_1_1") + file_names(release("samm") / "SAMM/006/006_2_1")
    assert {"006_0999.jpg", "006_1000.jpg", "006_9999.jpg", "006_10000.jpg"} <= set(files)
    assert "007_01000.jpg" in file_names(release("samm") / "SAMM/007/007_1_1")


def test_action_units_of_samm_use_its_notation(release: Release) -> None:
    units = [str(row[8]) for row in cells(release("samm"), "samm")[14:]]
    assert any(text.endswith(" ") for text in units)
    reference, closed = parse_action_units(next(text for text in units if "ref" in text))
    assert not isinstance(reference, str)
    assert (reference.reference, reference.intensity) == (True, "B")
    assert not isinstance(closed, str)
    assert closed.number == 43


# --- SMIC ---


def test_frame_numbers_of_smic_have_six_or_eight_digits(release: Release) -> None:
    digits = {
        subject: {len(path.stem) - len("image") for path in (release("smic_hs") / "HS" / subject).rglob("*.bmp")}
        for subject in ("s1", "s3", "s20")
    }
    assert digits == {"s1": {6}, "s3": {6}, "s20": {8}}


def test_smic_has_pictures_that_are_no_micro_expressions(release: Release) -> None:
    assert file_names(release("smic_hs") / "HS/s1") == ["micro", "non_micro"]
    assert len(list(release("smic_hs").glob("HS/s1/non_micro/s1_non_01/*.bmp"))) == 1


def test_the_table_of_smic_e_ends_with_notes_and_lists_a_clip_without_video(release: Release) -> None:
    root = release("smic_e_hs")
    header, *rows = cells(root, "smic_e_hs")
    column = {name: index for index, name in enumerate(header) if name}
    assert {"Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "ApexF", "Emotion"} <= set(column)
    annotated = [row for row in rows if row[column["Subject"]] is not None]
    assert len(annotated) == 11
    assert len(rows) - len(annotated) == 3
    (lost,) = [row for row in annotated if row[column["OffsetF"]] is None]
    assert (lost[column["Filename"]], lost[column["FirstF"]], lost[column["ApexF"]]) == ("s3_po_01", "lost", None)
    assert not (root / "HS_long/SMIC-HS-E/s03/s3_po_01").exists()


def test_long_videos_of_smic_e_start_before_the_onset_and_end_after_the_offset(release: Release) -> None:
    root = release("smic_e_hs")
    header, row, *_ = cells(root, "smic_e_hs")
    cell = dict(zip(header, row, strict=True))
    files = file_names(root / f"HS_long/SMIC-HS-E/s{cell['Subject']:02d}" / cell["Filename"])
    assert files[0] == f"image{cell['FirstF']:06d}.jpg"
    assert files[-1] == f"image{cell['OffsetF'] + 4:06d}.jpg"
    assert cell["OnsetF"] == cell["FirstF"] + 4
    assert cell["OnsetF"] < cell["ApexF"] < cell["OffsetF"]


@pytest.mark.parametrize(("corpus", "source"), [("smic_e_nir", "midpoint"), ("smic_e_vis", "annotated")])
def test_the_table_of_smic_e_before_2019_has_no_apex(release: Release, corpus: str, source: str) -> None:
    assert {clip.apex_source for clip in read(release(corpus), corpus)} == {source}


# --- CAS(ME)^3 ---


def test_a_video_of_casme3_holds_two_clips_with_continuous_frame_numbers(release: Release) -> None:
    root = release("casme3")
    first, second = (row for row in cells(root, "casme3")[1:] if row[:2] == ("spNO.2", "a"))
    assert first[2] < first[3] < first[4] < second[2] < second[3] < second[4]
    numbers = sorted(int(path.stem) for path in (root / "part_A/spNO.2/a/color").iterdir())
    assert numbers == list(range(second[4] + 4))


def test_casme3_has_its_quirks(release: Release) -> None:
    rows = cells(release("casme3"), "casme3")[1:]
    assert [row[1] for row in rows if row[0] == "spNO.1"] == ["J", "j", "a", "a"]
    assert file_names(release("casme3") / "part_A/spNO.1") == ["a", "j"]
    assert [row[0] for row in rows if row[4] == 0] == ["spNO.40"]
    assert [row[0] for row in rows if row[3] == row[2]] == ["spNO.1"]
    assert {row[6] for row in rows} <= {"I", "II", "IV", "VII"}
    assert {"happy", "sad", "others", "Others"} <= {row[7] for row in rows}


def test_head_motion_of_casme3_is_continuous_between_two_clips(release: Release) -> None:
    """The change between the last frame of a clip and the first of the next is like that between other frames."""
    root = release("casme3")
    second = [row for row in cells(root, "casme3")[1:] if row[:2] == ("spNO.2", "a")][1]
    seam = second[2] - 3  # three frames precede the onset
    frames = [read_frame(root / f"part_A/spNO.2/a/color/{number}.jpg") for number in range(seam - 3, seam + 3)]
    blurred = [cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.5) for frame in frames]
    change = [np.abs(after - before).mean() for before, after in pairwise(blurred)]
    assert change[2] < 1.5 * np.median(change)


# --- MMEW ---


def test_names_of_mmew_clips_give_subject_emotion_and_sample(release: Release) -> None:
    root = release("mmew")
    for path in (root / "MMEW_Final/Micro_Expression").glob("*/*"):
        subject, code, sample = path.name.split("-")
        assert (len(subject), len(code), len(sample)) == (3, 2, 3)
        assert file_names(path) == sorted(f"{number}.jpg" for number in range(1, len(file_names(path)) + 1))
    assert file_names(root / "MMEW_Final/Macro_Expression/S01/anger") == ["S01-07-001.jpg"]
