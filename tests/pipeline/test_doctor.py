"""`doctor PATH` checks releases. tests/slow/test_fresh_clone.py checks `doctor` without a path."""

import shutil
from pathlib import Path

import pytest

from command_line import run
from fakes import Row, WriteCasme2


def test_doctor_checks_a_release_and_names_missing_frames(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", "data") == 0
    assert "ok   casme2-4: 12 clips of 4 subjects: " in capsys.readouterr().out
    next(Path("data/demo").rglob("reg_img*")).parent.rename(project / "moved")
    assert run(monkeypatch, "doctor", "data/demo") == 2
    output = capsys.readouterr().out
    assert output.startswith("missing     demo/sub0")
    assert "FAIL casme2 in data/demo: 13 rows, 12 give a clip, " in output
    assert "disk: " in output


def test_doctor_refuses_a_folder_without_a_release(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", "mlruns") == 2
    assert "microfacial: mlruns: no release of casme2, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        (
            [("01", "a", 1, 3, 5, 12, "happiness")] * 2,
            "refused     casme2/sub01/a (CASME2-coding-20190701.xlsx, row 3)",
        ),
        ([("01", "a", 1, 3, 5, 12, "joy")], "refused     casme2/sub01/a (CASME2-coding-20190701.xlsx, row 2)"),
    ],
)
def test_doctor_fails_for_a_row_that_stops_the_pipeline(
    write_casme2: WriteCasme2,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: list[Row],
    remark: str,
) -> None:
    root = write_casme2(rows)
    assert run(monkeypatch, "doctor", str(root.parent)) == 2
    output = capsys.readouterr().out
    assert remark in output
    assert "FAIL casme2 in " in output


def test_doctor_prints_disk_space_once_and_names_a_folder_without_its_annotations(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("data/demo", "data/casme2")
    assert run(monkeypatch, "doctor", "data") == 0
    assert capsys.readouterr().out.count(" disk: ") == 1
    next(Path("data/casme2").glob("*.xlsx")).unlink()
    assert run(monkeypatch, "doctor", "data") == 2
    assert "FAIL casme2 in data/casme2: CASME II: no CASME2-coding-*.xlsx in data/casme2" in capsys.readouterr().out


def test_doctor_continues_after_a_frame_that_may_not_be_read(
    write_casme2: WriteCasme2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "happiness")])
    read_bytes = Path.read_bytes

    def read_or_refuse(path: Path) -> bytes:
        if path.parent.name == "a":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_or_refuse)
    assert run(monkeypatch, "doctor", str(root)) == 2
    output = capsys.readouterr().out
    assert "reg_img1.jpg cannot be read: Permission denied" in output
    assert "2 rows, 1 give a clip" in output
