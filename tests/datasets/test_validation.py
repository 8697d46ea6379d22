import re
from pathlib import Path

import pytest

from fakes import WriteCasme2, touch_frames
from microfacial.datasets.annotations import Release
from microfacial.datasets.validation import (
    CheckedRow,
    Remark,
    check_release,
    count_classes,
    find_releases,
    merge_causes,
)
from microfacial.errors import DatasetError
from microfacial.records import Clip


def accept_frames(clip: Clip) -> None:
    """Accept the frames of any clip."""


def check(root: Path) -> list[CheckedRow]:
    (folder,) = find_releases(root)
    assert isinstance(folder.release, Release)
    return list(check_release(folder.release, 3, accept_frames))


def remarks(row: CheckedRow) -> list[str]:
    return [f"{remark.kind}: {remark.text}" for remark in row.remarks]


def test_every_row_is_checked_in_spite_of_faults_in_the_others(write_casme2: WriteCasme2) -> None:
    root = write_casme2(
        [
            ("01", "a", 1, "x", 5, 12, "happiness"),
            ("01", "b", 1, 3, 5, 12, "happiness"),
            ("01", "c", 5, 3, 1, 12, "happiness"),
            ("01", "d", 1, 3, 5, 12, "joy"),
        ]
    )
    for frame in (root / "Cropped/sub01/b").iterdir():
        frame.unlink()
    rows = check(root)
    assert [row.clip is not None for row in rows] == [False, False, False, True]
    (missing,) = remarks(rows[0])
    assert re.match(r"missing: CASME2-coding-20190701\.xlsx, row 2: ApexFrame .*'x'", missing)
    assert re.match(r"missing: .*reg_img<N>\.jpg", remarks(rows[1])[0])
    assert re.match(r"missing: offset 1 .*onset 5", remarks(rows[2])[0])
    assert all(re.match("refused: .*'joy'", remark) for remark in remarks(rows[3]))
    assert not any(remark.sound for remark in rows[3].remarks)


def test_a_row_is_named_after_its_clip_and_its_place_in_the_sheet(write_casme2: WriteCasme2) -> None:
    (row,) = check(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]))
    assert row.name == "casme2/sub01/a (CASME2-coding-20190701.xlsx, row 2)"
    assert remarks(row) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("04", "a", 1, "/", 5, 12, "disgust"), "changed: took the midpoint 3 as apex"),
        (("04", "a", 1, 5, 5, 12, "disgust"), "suspicious: apex 5 is the offset"),
        (("04", "a", 1, 60, 120, 12, "disgust"), "suspicious: lasts 0.59 s, longer than a micro-expression (0.5 s)"),
        (("04", "a", 1, 60, 900, 12, "disgust"), "suspicious: lasts 4.50 s, which is improbable"),
        (("04", "a", 1, 1, 5, 12, "disgust"), "changed: annotated apex 1 is the onset, took the midpoint 3 as apex"),
        (("04", "a", 1, 3, 5, "soft focus", "disgust"), "suspicious: action units 'soft focus': 'soft focus' is not"),
        (("24", "EP07_01", 1, 3, 5, 12, "surprise"), "dropped: under megc2019-3: emotion surprise corrected"),
        (("04", "EP12_01f", 1, 3, 5, 12, "disgust"), "dropped: under megc2019-3: EP12_01f: not in the"),
        (("04", "a", 1, 3, 5, 12, "fear"), "dropped: no scheme keeps fear"),
    ],
)
def test_changed_suspicious_and_dropped_rows_get_a_remark(
    write_casme2: WriteCasme2, row: tuple[str, str, int, int | str, int, int | str, str], expected: str
) -> None:
    (checked,) = check(write_casme2([row]))
    assert any(remark.startswith(expected) for remark in remarks(checked))
    assert checked.clip is not None


def test_absent_frames_between_onset_and_offset_are_counted(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 5, 10, 12, "happiness")])
    for number in (3, 4, 7):
        (root / f"Cropped/sub01/a/reg_img{number}.jpg").unlink()
    (row,) = check(root)
    assert remarks(row) == ["suspicious: 3 of the 10 frames from onset to offset are absent"]


def test_the_second_row_with_the_same_clip_id_is_refused(write_casme2: WriteCasme2) -> None:
    first, second = check(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")] * 2))
    assert remarks(first) == []
    assert [remark.kind for remark in second.remarks] == ["refused"]


def test_a_row_whose_frames_cannot_be_read_is_missing(write_casme2: WriteCasme2) -> None:
    (folder,) = find_releases(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]))
    assert isinstance(folder.release, Release)

    def refuse(clip: Clip) -> None:
        raise DatasetError(f"{clip.frame(3)} cannot be read")

    (row,) = check_release(folder.release, 3, refuse)
    assert (row.clip, remarks(row)) == (None, ["missing: Cropped/sub01/a/reg_img3.jpg cannot be read"])


def test_classes_are_counted_under_every_scheme_that_keeps_a_clip(write_casme2: WriteCasme2) -> None:
    rows = check(write_casme2([("01", "a", 1, 3, 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "others")]))
    counts = {scheme: +classes for scheme, classes in count_classes(rows).items()}
    assert counts == {
        "casme2-4": {"happiness": 1},
        "casme2-5": {"happiness": 1, "others": 1},
        "megc2019-3": {"positive": 1},
    }


def test_a_release_is_found_in_its_standard_folder_and_in_the_path_itself(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    for path in (root, root.parent):
        assert [(release.corpus, release.folder) for release in find_releases(path)] == [("casme2", root)]
    assert find_releases(root / "Cropped") == ()


def test_a_release_with_a_damaged_sheet_is_returned_with_its_error(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    (root / "CASME2-coding-20190701.xlsx").write_text("damaged")
    (folder,) = find_releases(root)
    assert isinstance(folder.release, DatasetError)


def test_a_standard_folder_without_its_sheet_is_returned_with_an_error(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    (root / "CASME2-coding-20190701.xlsx").rename(root / "coding.xlsx")
    (folder,) = find_releases(root.parent)
    assert (folder.corpus, folder.folder) == ("casme2", root)
    assert isinstance(folder.release, DatasetError)
    assert "CASME2-coding-*.xlsx" in str(folder.release)


def test_a_release_is_found_in_a_folder_with_any_name(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    renamed = root.rename(root.parent / "CASME II")
    assert [(release.corpus, release.folder) for release in find_releases(root.parent)] == [("casme2", renamed)]


def test_remarks_with_one_cause_are_merged_and_the_others_stay() -> None:
    remarks = [
        ("a", Remark("missing", "a is gone", "no folder")),
        ("b", Remark("changed", "b is new")),
        ("c", Remark("missing", "c is gone", "no folder")),
        ("d", Remark("missing", "d is gone", "another folder")),
    ]
    assert merge_causes(remarks) == [
        ("2 clips", Remark("missing", "no folder", "no folder")),
        ("b", Remark("changed", "b is new")),
        ("d", Remark("missing", "d is gone", "another folder")),
    ]


def test_a_release_without_apexes_gets_one_remark_about_midpoints(tmp_path: Path) -> None:
    for clip in range(6):
        touch_frames(tmp_path / f"smic/HS/s1/micro/negative/s1_ne_{clip:02d}", "image{:06d}.bmp", range(1, 10 + clip))
    (folder,) = find_releases(tmp_path)
    assert isinstance(folder.release, Release)
    rows = check_release(folder.release, 3, accept_frames)
    ((name, remark),) = merge_causes([(row.name, remark) for row in rows for remark in row.remarks])
    assert (name, remark.kind) == ("6 clips", "changed")
    assert "clips.missing_apex: spotted" in remark.text


def test_long_clips_of_a_corpus_with_long_clips_are_one_remark_and_outliers_are_named(
    write_casme2: WriteCasme2,
) -> None:
    rows = [("01", f"c{number}", 1, 60, 140, 12, "happiness") for number in range(4)]
    checked = check(write_casme2([*rows, ("01", "long", 1, 60, 600, 12, "happiness")]))
    merged = merge_causes([(row.name, remark) for row in checked for remark in row.remarks])
    assert [name.partition(" (")[0] for name, _ in merged] == ["4 clips", "casme2/sub01/long"]
    assert [remark.kind for _, remark in merged] == ["suspicious"] * 2
