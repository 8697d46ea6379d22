import shutil
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import read_rows, run, set_params
from fakes import ROOT, WriteMaps
from microfacial.datasets.image_files import read_image


@pytest.mark.slow
def test_contact_sheets_show_all_clips_or_the_named_clips(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = project_with_flow / "contact-sheets" / "tiny"
    pages.mkdir(parents=True)
    mine = ["flow-6.png", "flow-7.png", "flow-8.png", "flow-mine.png"]  # files of the user
    (pages / "flow-7.png").touch()
    cv2.imwrite(str(pages / "flow-8.png"), np.zeros((4, 4, 3), np.uint8))
    huge = struct.pack(">II", 30_000, 30_000)
    content = (pages / "flow-8.png").read_bytes().replace(struct.pack(">II", 4, 4), huge)
    (pages / "flow-6.png").write_bytes(content)
    (pages / "flow-mine.png").touch()
    assert run(monkeypatch, "flow", "--contact-sheet") == 0
    assert "flow: 12 clips on 2 pages in contact-sheets/tiny" in capsys.readouterr().out
    assert sorted(page.name for page in pages.iterdir()) == ["flow-1.png", "flow-2.png", *mine]
    shutil.copy(pages / "flow-1.png", pages / "flow-9.png")  # of an earlier run with more clips
    assert run(monkeypatch, "flow", "--contact-sheet") == 0
    assert sorted(page.name for page in pages.iterdir()) == ["flow-1.png", "flow-2.png", *mine]
    shutil.copy(pages / "flow-8.png", pages / "flow-2.png")
    first = (pages / "flow-1.png").stat().st_mtime_ns
    assert run(monkeypatch, "flow", "--contact-sheet") == 2
    assert "flow-2.png" in capsys.readouterr().err
    assert (pages / "flow-1.png").stat().st_mtime_ns == first

    row = read_rows(project_with_flow / "results/tiny/clips.csv")[0]
    clip = f"{row['corpus']}/{row['subject']}/{row['name']}"
    assert run(monkeypatch, "flow", "--contact-sheet", "out", "--clip", clip) == 0
    selected = read_image(project_with_flow / "out" / "flow-selected-1.png")
    assert selected.shape[0] < read_image(pages / "flow-1.png").shape[0]
    assert run(monkeypatch, "flow", "--contact-sheet", "--clip", "demo/sub01/none") == 2
    assert "'demo/sub01/none'" in capsys.readouterr().err
    assert run(monkeypatch, "flow", "--clip", clip) == 2


def test_contact_sheets_of_people_are_not_written_into_a_folder_that_git_tracks(
    project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_maps({"sub01": 2})
    (project / "flow_maps").rename(project / "data" / "flow_maps")
    set_params("clips", name="maps", corpora=["flow_maps"], scheme="megc2019-3")
    set_params("faces", method="whole", regions="grid-28", size_px=28)
    set_params("flow", method="published")
    for stage in ("clips", "faces", "flow"):
        assert run(monkeypatch, stage) == 0
    subprocess.run(["git", "init", "--quiet"], check=True)
    shutil.copy(ROOT / ".gitignore", project)
    assert run(monkeypatch, "flow", "--contact-sheet", "docs") == 2
    assert "microfacial: docs: " in capsys.readouterr().err
    assert not (project / "docs").exists()
    assert run(monkeypatch, "flow", "--contact-sheet") == 0
    assert (project / "contact-sheets" / "maps" / "flow-1.png").exists()
