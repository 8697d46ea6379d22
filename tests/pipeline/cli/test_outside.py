"""Outside of a project, a command prints one line and writes nothing."""

from functools import partial
from pathlib import Path

import pytest

from command_line import run
from microfacial.datasets.synthetic import write
from microfacial.datasets.synthetic.people import DemoPlan

COMMANDS = [
    "clips",
    "code",
    "compare a b",
    "ablate",
    "demo",
    "demo --contact-sheet",
    "faces",
    "flow",
    "flow --contact-sheet",
    "lineage",
    "predict clip.avi --alias champion",
    "promote",
    "register a",
    "report",
    "repro",
    "rollback",
    "study a",
    "study apply",
    "study show",
    "sync",
    "train a",
    "ui",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_outside_of_a_project_writes_one_line_and_no_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *command.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("microfacial: ")
    assert "params.yaml" in line
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_written_into_a_folder_and_checked_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(4, 4), width_px=70)
    monkeypatch.setattr(write, "write_demo", partial(write.write_demo, plan=plan))
    assert run(monkeypatch, "demo", "mine", "--processes", "1") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert run(monkeypatch, "doctor", "mine") == 0
    assert "casme2 in mine: 1 rows, 1 give a clip" in capsys.readouterr().out
    assert run(monkeypatch, "demo", "mine", "--processes", "1") == 2
    assert "mine already exists" in capsys.readouterr().err
