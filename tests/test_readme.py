"""What README.md says from Python runs as it stands there, on the tiny demo and in one process."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import ROOT
from microfacial import MODELS
from microfacial.storage import read_clips

CLIP = Path("data/demo/Cropped/sub01/EP03_05f")
NUMBERS = (89, 95, 101, 106, 112)  # onset, rise, apex, fall, offset of that clip in the full demo


def snippets() -> list[str]:
    section = (ROOT / "README.md").read_text().partition("\n## From Python\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def place(
    computed: Path, trained: tuple[Path, NDArray[np.float64]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A computed project with a clip of the name and the numbers that the README uses, and with a kept fold."""
    (tmp_path / "params.yaml").symlink_to(computed / "params.yaml")
    (tmp_path / "build" / "demo").mkdir(parents=True)
    (tmp_path / "build" / "tiny").symlink_to(computed / "build" / "tiny")
    (tmp_path / "build" / "demo" / "train").symlink_to(trained[0].parents[2])
    some = read_clips(computed / "build" / "tiny" / "clips.csv")[0]
    (tmp_path / CLIP).mkdir(parents=True)
    for old, new in zip(some.numbers, NUMBERS, strict=False):
        shutil.copy(computed / "data" / some.frame(old), tmp_path / CLIP / f"reg_img{new}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
def test_the_snippets_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for snippet in snippets():
        exec(compile(snippet.replace("processes=2", "processes=1"), "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert re.match(r"UF1 0\.\d{3}, 95 % interval 0\.\d{3}–[01]\.\d{3}\n\(1, 5, 2, 224, 224\) ", said)
    assert ", ".join(MODELS) + "\n" in said
    assert re.search(r"\{'happiness': 0\.\d+, 'disgust': .*\}\n$", said)


def test_the_section_has_snippets() -> None:
    assert len(snippets()) == 4
