"""`doctor PATH` checks releases. tests/slow/test_fresh_clone.py checks `doctor` without a path."""

import json
import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from command_line import run
from fakes import Row, WriteCasme2
from microfacial.pipeline.doctor import CheckResult, examine


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
    assert run(monkeypatch, "doctor", "data/demo", "--json") == 2
    fields = json.loads(capsys.readouterr().out)
    assert fields["sound"] is False
    assert fields["checks"][0]["subject"] == "rows"
    assert fields["checks"][0]["status"] == "missing"
    statuses = {check["subject"]: check["status"] for check in fields["checks"]}
    assert statuses["casme2 in data/demo"] == "fail"
    assert statuses["disk"] == "ok"
    assert all(check["details"] for check in fields["checks"])


def test_doctor_refuses_a_folder_without_a_release(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", "mlruns") == 2
    assert "microfacial: mlruns: no release of " in capsys.readouterr().err


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


# --- groups of remarks ------------------------------------------------------------------------------------------------


def test_remarks_of_a_kind_are_counted_and_three_are_shown_unless_all_are_asked_for(
    write_casme2: WriteCasme2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = [("01", f"slow{number}", 1, 130, 130, "12", "happiness") for number in range(5)]
    root = write_casme2([*rows, ("02", "gone", 1, 3, 5, "12", "happiness")])
    shutil.rmtree(root / "Cropped" / "sub02")
    assert run(monkeypatch, "doctor", str(root)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("missing     casme2/sub02/gone ")
    assert lines[1].startswith("FAIL casme2 in ")
    slow = [line for line in lines if line.startswith("suspicious  ")]
    assert len(slow) == 5
    assert slow[0].startswith("suspicious  5 clips: last longer than a micro-expression (0.5 s)")
    assert [f"slow{number}" in line for number, line in enumerate(slow[1:])] == [True, True, True, False]
    assert slow[4].startswith("suspicious  2 more of 5 like these (--all ")
    assert "is the offset" in slow[4]

    assert run(monkeypatch, "doctor", str(root), "--all") == 2
    output = capsys.readouterr().out
    assert output.count("longer than a micro-expression") == 5
    assert "more of" not in output


def test_a_missing_folder_is_printed_once_with_what_is_there(
    write_casme2: WriteCasme2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_casme2([("01", f"a{number}", 1, 3, 5, "12", "happiness") for number in range(9)])
    (root / "Cropped").rename(root / "Croped")
    assert run(monkeypatch, "doctor", str(root)) == 2
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing")]
    assert len(missing) == 1
    assert missing[0].startswith(
        f"missing     9 clips: there is no folder {root / 'Cropped'} for frames reg_img<N>.jpg"
    )
    assert f"{root} has CASME2-coding-20190701.xlsx, Croped" in missing[0]
    assert run(monkeypatch, "doctor", str(root), "--all") == 2
    assert capsys.readouterr().out.count("missing     casme2/sub01/a") == 9


# --- lists of damaged frames ------------------------------------------------------------------------------------------


def test_listed_frames_and_clips_are_marked_and_lines_without_a_match_are_named(
    write_casme2: WriteCasme2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = [("01", name, 1, 3, 5, "12", "happiness") for name in ("a", "b", "c", "d")]
    root = write_casme2([*rows, ("02", "d", 1, 3, 5, "12", "happiness")])
    lists = root / "exception"
    lists.mkdir()
    (lists / "frames.txt").write_bytes(
        b"\xef\xbb\xbfCropped/sub01/a/reg_img2.jpg\r\n\r\nE:\\CASME2\\Cropped\\sub01\\a\\reg_img4\r\n"
        b"sub01/a/reg_img99.jpg\nsub01/b\nd\n"
    )
    (lists / "picture.jpg").write_bytes(b"\xff\xd8\x00")
    assert run(monkeypatch, "doctor", str(root), "--all") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "exception/" in line]
    assert len(lines) == 5
    assert "casme2/sub01/a " in lines[0]
    assert "2 of its frames are listed as damaged in exception/frames.txt" in lines[0]
    assert "casme2/sub01/b " in lines[1]
    assert "listed as damaged in exception/frames.txt" in lines[1]
    assert "exception/picture.jpg" in lines[2]
    assert "line 4: 'sub01/a/reg_img99.jpg' matches no clip" in lines[3]
    assert "line 6: 'd' matches 2 clips" in lines[4]


# --- set-up -----------------------------------------------------------------------------------------------------------


def test_a_fault_that_stops_several_checks_is_printed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "doctor") == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAIL")] == lines[:1]
    assert "params.yaml" in lines[0]
    skipped = [line.split(":")[0] for line in lines if line.startswith("skip")]
    assert skipped == ["skip data version", "skip clips", "skip faces and flow", "skip MLflow store", "skip disk"]
    assert list(tmp_path.iterdir()) == []


def find_result(subject: str) -> CheckResult:
    return next(result for result in examine() if result.subject == subject)


@pytest.mark.parametrize("fault", ["not installed", "no requirements"])
def test_unknown_requirements_are_no_proof_that_packages_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def requires(name: str) -> None:
        if fault == "not installed":
            raise metadata.PackageNotFoundError(name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metadata, "requires", requires)
    result = find_result("packages")
    assert (result.sound, "`make setup`" in result.detail) == (False, True)


def test_a_git_that_does_not_run_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("git", 1), ("make", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho broken installation >&2\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = find_result("tools")
    assert (result.sound, "broken installation" in result.detail) == (False, True)


def test_a_disk_without_room_for_faces_and_flow_is_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.pipeline.doctor.check_data", lambda _: "")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    result = find_result("disk")
    assert (result.sound, result.detail.startswith("0.0 GB free, ")) == (False, True)
