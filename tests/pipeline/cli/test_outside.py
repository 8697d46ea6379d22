"""Outside of a project, a command prints one line and writes nothing."""

from pathlib import Path

import pytest

from command_line import run

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
    "predict clip.avi",
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
