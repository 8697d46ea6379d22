import re
from pathlib import Path

import pytest

from command_line import read_rows, run, set_params


def read_replaced_apex(project: Path) -> dict[str, str]:
    """Return the row of the only clip whose apex is not annotated."""
    (row,) = [row for row in read_rows(project / "results/tiny/clips.csv") if row["apex_source"] != "annotated"]
    return row


def test_a_missing_apex_is_spotted_if_the_settings_choose_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clips") == 0
    before = read_replaced_apex(project)
    set_params("clips", missing_apex="spotted")
    assert run(monkeypatch, "clips") == 0
    after = read_replaced_apex(project)
    assert (before["name"], before["apex_source"]) == (after["name"], "midpoint")
    assert after["apex_source"] == "spotted"
    assert int(after["onset"]) < int(after["apex"]) <= int(after["offset"])
    assert f"spotted {after['apex']} in its place" in capsys.readouterr().out


def test_the_midpoint_remains_with_a_note_if_no_apex_can_be_spotted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params("clips", apex="spotted")
    monkeypatch.setattr("microfacial.preprocessing.alignment.find_landmarks", lambda _: None)
    assert run(monkeypatch, "clips") == 0
    rows = read_rows(project / "results/tiny/clips.csv")
    assert {row["apex_source"] for row in rows} == {"midpoint"}
    assert all("no apex could be spotted" in row["notes"] for row in rows)


def test_the_same_frames_under_two_subjects_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("microfacial.preprocessing.clip_jobs.digest_frames", lambda *_: "0" * 16)
    assert run(monkeypatch, "clips") == 2
    assert re.search(r"demo/sub02/\S+ .* demo/sub01/\S+,", capsys.readouterr().err)
    assert not (project / "results/tiny/clips.csv").exists()
