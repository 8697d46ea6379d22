from pathlib import Path

import pytest

from microfacial.pipeline.project import open_project


def test_results_under_the_old_folder_name_are_reported_with_the_remedy(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "build" / "tiny").mkdir(parents=True)
    open_project()
    assert capsys.readouterr().err == ""  # without results, the folder may belong to another program

    (project / "build" / "tiny" / "clips.csv").write_text("clip\n")
    open_project()
    (line,) = capsys.readouterr().err.splitlines()
    assert "build/tiny" in line
    assert "`mv build results`" in line

    (project / "results" / "tiny").mkdir(parents=True)
    open_project()
    assert capsys.readouterr().err == ""
