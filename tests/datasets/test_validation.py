from pathlib import Path

import pytest

from fakes import WriteCasme2
from microfacial.datasets.annotations import Release
from microfacial.datasets.validation import CheckedRow, check_release, count_classes, find_releases
from microfacial.errors import DatasetError
from microfacial.records import Clip


def look_away(clip: Clip) -> None:
    """Frames are fine."""


def examine(root: Path) -> list[CheckedRow]:
    (found,) = find_releases(root)
    assert isinstance(found.release, Release)
    return list(check_release(found.release, 3, look_away))


def remarks(row: CheckedRow) -> list[str]:
    return [f"{remark.kind}: {remark.text}" for remark in row.remarks]


def test_every_row_is_examined_whatever_is_wrong_with_the_others(write_casme2: WriteCasme2) -> None:
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
    rows = examine(root)
    assert [row.clip is not None for row in rows] == [False, False, False, True]
    assert remarks(rows[0]) == [
        "missing: CASME2-coding-20190701.xlsx, row 2: ApexFrame is 'x', not a frame number. Correct the sheet"
    ]
    assert remarks(rows[1])[0].startswith("missing: annotated, but")
    assert remarks(rows[2])[0].startswith("missing: offset 1 is not after onset 5")
    assert all(remark.startswith("refused: unknown label 'joy'") for remark in remarks(rows[3]))
    assert not any(remark.sound for remark in rows[3].remarks)


def test_a_row_is_named_with_its_place_in_the_sheet(write_casme2: WriteCasme2) -> None:
    (row,) = examine(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]))
    assert row.name == "casme2/sub01/a (CASME2-coding-20190701.xlsx, row 2)"
    assert remarks(row) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("04", "a", 1, "/", 5, 12, "disgust"), "changed: took the midpoint 3 as apex"),
        (("04", "a", 1, 5, 5, 12, "disgust"), "suspicious: apex 5 is the offset"),
        (("04", "a", 1, 60, 120, 12, "disgust"), "suspicious: lasts 0.59 s, longer than a micro-expression (0.5 s)"),
        (("04", "a", 1, 3, 5, "soft focus", "disgust"), "suspicious: action units 'soft focus': 'soft focus' is no"),
        (("24", "EP07_01", 1, 3, 5, 12, "surprise"), "dropped: under megc2019-3: emotion surprise corrected"),
        (("04", "EP12_01f", 1, 3, 5, 12, "disgust"), "dropped: under megc2019-3: EP12_01f: not in the"),
        (("04", "a", 1, 3, 5, 12, "fear"), "dropped: no scheme keeps fear"),
    ],
)
def test_what_is_changed_suspicious_or_dropped_is_said(
    write_casme2: WriteCasme2, row: tuple[str, str, int, int | str, int, int | str, str], expected: str
) -> None:
    (surveyed,) = examine(write_casme2([row]))
    assert any(remark.startswith(expected) for remark in remarks(surveyed))
    assert surveyed.clip is not None


def test_absent_frames_between_onset_and_offset_are_counted(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 5, 10, 12, "happiness")])
    for number in (3, 4, 7):
        (root / f"Cropped/sub01/a/reg_img{number}.jpg").unlink()
    (row,) = examine(root)
    assert remarks(row) == ["suspicious: 3 of the 10 frames from onset to offset are absent"]


def test_a_clip_annotated_twice_is_refused_the_second_time(write_casme2: WriteCasme2) -> None:
    first, second = examine(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")] * 2))
    assert remarks(first) == []
    assert remarks(second) == ["refused: is annotated before: no data set takes a clip twice"]


def test_frames_that_cannot_be_used_are_missing(write_casme2: WriteCasme2) -> None:
    (found,) = find_releases(write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]))
    assert isinstance(found.release, Release)

    def look(clip: Clip) -> None:
        raise DatasetError(f"{clip.frame(3)} cannot be read")

    (row,) = check_release(found.release, 3, look)
    assert (row.clip, remarks(row)) == (None, ["missing: Cropped/sub01/a/reg_img3.jpg cannot be read"])


def test_classes_are_counted_under_every_scheme_that_keeps_some(write_casme2: WriteCasme2) -> None:
    rows = examine(write_casme2([("01", "a", 1, 3, 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "others")]))
    counts = {scheme: +found for scheme, found in count_classes(rows).items()}
    assert counts == {
        "casme2-4": {"happiness": 1},
        "casme2-5": {"happiness": 1, "others": 1},
        "megc2019-3": {"positive": 1},
    }


def test_releases_are_found_in_folders_of_their_names_or_in_the_path_itself(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    for path in (root, root.parent):
        assert [(found.corpus, found.folder) for found in find_releases(path)] == [("casme2", root)]
    assert find_releases(root / "Cropped") == ()


def test_a_damaged_sheet_is_found_not_passed_over(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    (root / "CASME2-coding-20190701.xlsx").write_text("damaged")
    (found,) = find_releases(root)
    assert isinstance(found.release, DatasetError)


def test_a_corpus_folder_without_its_sheet_is_found_with_what_is_missing(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    (root / "CASME2-coding-20190701.xlsx").rename(root / "coding.xlsx")
    (found,) = find_releases(root.parent)
    assert (found.corpus, found.folder) == ("casme2", root)
    assert isinstance(found.release, DatasetError)
    assert "no CASME2-coding-*.xlsx" in str(found.release)


def test_a_release_is_found_in_a_folder_of_any_name(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    renamed = root.rename(root.parent / "CASME II")
    assert [(found.corpus, found.folder) for found in find_releases(root.parent)] == [("casme2", renamed)]
