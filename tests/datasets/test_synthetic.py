"""The demo data set: its layout is CASME II's, its motion is known, its bytes are the same everywhere."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from openpyxl import load_workbook

from microfacial.datasets.synthetic.layouts import ANNOTATIONS, SheetRow, Table, write_demo
from microfacial.datasets.synthetic.people import (
    ACTION_UNITS,
    CROP,
    DemoClip,
    DemoPlan,
    Person,
    View,
    build_face,
    draw_person,
    plan_clips,
    render_clip,
    true_motion,
)
from microfacial.errors import DatasetError

TINY = DemoPlan(identities=4, clips_per_identity=3, others=1, frames=(7, 9), width_px=140)
TINY_MD5 = "6c77b39cd9b747b1f2f8993db8c48b6f"  # with the versions that constraints.txt pins

# x86 instruction sets beyond the baseline for which numpy has separate code paths, and what ARM has
EXTENSIONS = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR ASIMDHP ASIMDDP ASIMDFHM SVE"


def md5_of_tree(folder: Path) -> str:
    """Checksum of all names and bytes below a folder."""
    digest = hashlib.md5()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny demo data set, written once."""
    folder = tmp_path_factory.mktemp("data") / "demo"
    write_demo(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def rows(demo: Path) -> list[tuple[Any, ...]]:
    """All cells of the first sheet, header first."""
    return list(load_workbook(demo / ANNOTATIONS).worksheets[0].iter_rows(values_only=True))


def test_header_has_the_ten_columns_with_two_blank_ones(rows: list[tuple[Any, ...]]) -> None:
    assert rows[0][:7] == ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None)
    assert rows[0][7:] == ("Action Units", "Estimated Emotion", "Objective Classes")
    assert all(row[2] is None and row[6] is None for row in rows)


def test_subjects_are_text_with_two_digits(rows: list[tuple[Any, ...]], demo: Path) -> None:
    assert {row[0] for row in rows[1:]} == {"01", "02", "03", "04"}
    assert load_workbook(demo / ANNOTATIONS).worksheets[0]["A2"].number_format == "@"


def test_second_and_third_sheet_are_empty(demo: Path) -> None:
    book = load_workbook(demo / ANNOTATIONS)
    assert book.sheetnames == ["Sheet1", "Sheet2", "Sheet3"]
    assert [sheet.max_row for sheet in book.worksheets[1:]] == [1, 1]


def test_exactly_one_apex_is_a_slash(rows: list[tuple[Any, ...]]) -> None:
    assert [row[4] for row in rows[1:] if not isinstance(row[4], int)] == ["/"]


def test_action_units_are_numbers_and_text() -> None:
    cells = [clip.action_units for clip in plan_clips(DemoPlan())]
    assert {type(cell) for cell in cells} == {int, str}
    assert any(str(cell).startswith(("L", "R")) for cell in cells)


def test_frame_files_are_the_annotated_frames_unpadded(rows: list[tuple[Any, ...]], demo: Path) -> None:
    for subject, name, _, onset, _, offset, *_ in rows[1:]:
        found = {path.name for path in (demo / "Cropped" / f"sub{subject}" / name).iterdir()}
        assert found == {f"reg_img{number}.jpg" for number in range(onset, offset + 1)}


def test_each_person_has_a_clip_across_the_numbers_99_and_100(rows: list[tuple[Any, ...]]) -> None:
    assert {row[0] for row in rows[1:] if row[3] <= 99 and row[5] >= 100} == {"01", "02", "03", "04"}


def test_clip_names_are_unique_within_a_person() -> None:
    names = [(clip.subject, clip.name) for clip in plan_clips(DemoPlan())]
    assert len(set(names)) == len(names)


def test_apex_lies_inside_the_clip() -> None:
    assert all(clip.onset < clip.apex < clip.offset for clip in plan_clips(DemoPlan()))


def test_shipped_demo_has_six_clips_each_and_nobody_shows_all_emotions() -> None:
    clips = [clip for clip in plan_clips(DemoPlan()) if clip.emotion != "others"]
    for subject in range(1, 11):
        emotions = [clip.emotion for clip in clips if clip.subject == subject]
        assert len(emotions) == 6
        assert len(set(emotions)) < 4
    counts = {emotion: sum(clip.emotion == emotion for clip in clips) for emotion in sorted({c.emotion for c in clips})}
    assert counts == {"disgust": 25, "happiness": 12, "repression": 11, "surprise": 12}


def test_frames_are_colour_of_the_planned_size(demo: Path) -> None:
    image = cv2.imread(str(next(demo.rglob("reg_img*.jpg"))))
    assert image is not None
    assert image.shape == (170, 140, 3)
    assert (DemoPlan().height_px, DemoPlan().width_px) == (340, 280)


def test_two_processes_write_the_bytes_of_one(demo: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", TINY, processes=2)
    assert md5_of_tree(tmp_path / "demo") == md5_of_tree(demo)


def test_the_bytes_of_a_tiny_demo_are_pinned(demo: Path) -> None:
    assert md5_of_tree(demo) == TINY_MD5


def test_the_bytes_do_not_depend_on_the_processors_extensions(demo: Path, tmp_path: Path) -> None:
    """Numpy and libjpeg run other code without these instruction sets; every result must stay the same."""
    code = (
        "import sys; from pathlib import Path;"
        "from microfacial.datasets.releases import write_demo; from microfacial.datasets.synthetic import DemoPlan;"
        f"write_demo(Path(sys.argv[1]), {TINY!r})"
    )
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": EXTENSIONS, "JSIMD_FORCENONE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "demo")]
    subprocess.run(command, check=True, env=plain, capture_output=True)
    assert md5_of_tree(tmp_path / "demo") == md5_of_tree(demo)


def test_an_existing_folder_is_refused_and_kept(demo: Path) -> None:
    before = md5_of_tree(demo)
    with pytest.raises(DatasetError, match="exists already"):
        write_demo(demo, TINY)
    assert md5_of_tree(demo) == before


def test_a_stopped_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_table: Table, _rows: Iterable[SheetRow]) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("microfacial.datasets.synthetic.layouts.spreadsheet", stop)
    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "demo", replace(TINY, identities=1, clips_per_identity=1, others=0))
    assert not list(tmp_path.iterdir())


# --- motion ---

PLAN = DemoPlan()


@pytest.fixture(scope="module")
def person() -> Person:
    return draw_person(PLAN, 1)


@pytest.fixture(scope="module")
def face(person: Person) -> NDArray[np.float64]:
    return build_face(PLAN, person)


def quiet_clip(unit: int, *, drift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> DemoClip:
    """A clip in which one action unit on the right of the picture moves by one face unit, and no more."""
    none = (0.0, 0.0, 0.0)
    calm = replace(plan_clips(PLAN)[0], pose=none, drift=drift, bend=0.0, blink=None, light=none)
    return replace(calm, expression=ACTION_UNITS[unit])


@pytest.mark.parametrize(
    ("unit", "point", "right", "down"),
    [
        (12, (190, 220), 0.7, -0.7),
        (15, (189, 224), 0.1, 1.0),
        (1, (167, 92), 0.0, -1.0),
        (14, (190, 221), 1.0, 0.1),
    ],
)
def test_an_action_unit_moves_its_landmark_as_stated(
    unit: int, point: tuple[int, int], right: float, down: float
) -> None:
    x, y = point
    motion = true_motion(PLAN, quiet_clip(unit))
    assert motion.shape == (2, 340, 280)
    # The neighbouring bump of AU12 and the slope of the field add a little.
    np.testing.assert_allclose(motion[:, y, x], (right, down), atol=0.16)


def test_head_drift_is_part_of_the_truth_unless_left_out() -> None:
    clip = replace(quiet_clip(1, drift=(1.5, -1.0, 0.0)), expression=())
    share = (clip.apex - clip.onset) / (clip.offset - clip.onset)
    np.testing.assert_allclose(true_motion(PLAN, clip)[:, 170, 140], (1.5 * share, -1.0 * share), atol=1e-9)
    np.testing.assert_allclose(true_motion(PLAN, clip, head=False), 0.0, atol=1e-9)


def test_a_positive_half_tangent_turns_the_head_clockwise() -> None:
    clip = replace(quiet_clip(1, drift=(0.0, 0.0, 0.002)), expression=())
    motion = true_motion(PLAN, clip, clip.offset)
    assert motion[1, 170, 240] == pytest.approx(2 * 0.002 * 100, rel=1e-3)


def test_the_truth_maps_onset_pixels_onto_apex_pixels(face: NDArray[np.float64]) -> None:
    """Warping the rendered apex back by the truth gives the rendered onset, far better than not warping."""
    clip = quiet_clip(12, drift=(1.2, -0.8, 0.002))
    frames = dict(enumerate(render_clip(PLAN, clip, face), clip.onset))
    onset, apex = frames[clip.onset].astype(np.float32), frames[clip.apex].astype(np.float32)
    motion = true_motion(PLAN, clip).astype(np.float32)
    y, x = np.indices(onset.shape[:2]).astype(np.float32)
    back = cv2.remap(apex, x + motion[0], y + motion[1], cv2.INTER_CUBIC)
    inner = (slice(20, 320), slice(20, 260))
    left, moved = (cv2.GaussianBlur(image - onset, (0, 0), 1.5)[inner] for image in (back, apex))
    assert np.abs(left).mean() < 0.35 * np.abs(moved).mean()


def test_a_room_shows_of_the_face_what_a_crop_shows(person: Person) -> None:
    plan, room = replace(PLAN, width_px=140), View(left=-20, top=-10, width=320, height=380, room=True)
    long = quiet_clip(12, drift=(1.2, -0.8, 0.002))
    clip = replace(long, apex=long.onset + 2, offset=long.onset + 4)
    np.testing.assert_array_equal(true_motion(plan, clip, view=room)[:, 5:175, 10:150], true_motion(plan, clip))
    crops, scenes = (render_clip(plan, clip, build_face(plan, person, view), view) for view in (CROP, room))
    for crop, scene in zip(crops, scenes, strict=True):
        # Noise and pores are drawn anew for another size of the picture.
        near, far = (cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3) for image in (crop, scene))
        same, moved = (np.abs(near - far[5:175, left : left + 140])[30:140, 30:110].mean() for left in (10, 11))
        assert same < 0.8
        assert moved > 1.5 * same


def test_amplitudes_are_those_of_micro_expressions() -> None:
    """At the aligned scale, where 280 px become 224, the strongest motion of a clip is 0.4 to 2 px."""
    coarse = replace(PLAN, width_px=56)  # every fifth pixel, and a fifth of the motion
    clips = [replace(clip, blink=None) for clip in plan_clips(PLAN) if clip.emotion != "others"]
    peaks = [0.8 * 5 * np.abs(true_motion(coarse, clip, head=False)).max() for clip in clips]
    assert min(peaks) > 0.4
    assert max(peaks) < 2.0
    assert 0.6 < np.median(peaks) < 1.4
