"""docs/architecture.md: its recipes work, and it names every package and only files that exist."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from fakes import ROOT, TINY_PARAMS
from microfacial.source_code import PACKAGE

TEXT = (ROOT / "docs" / "architecture.md").read_text()


def blocks(language: str) -> list[str]:
    """Contents of the fenced blocks of a language, without the indentation of lists."""
    pattern = rf"^( *)```{language}\n(.*?)^ *```"
    return [textwrap.dedent(match[2]) for match in re.finditer(pattern, TEXT, flags=re.M | re.S)]


def apply(diff: str, root: Path) -> None:
    """Insert each line with `+` below the line above it."""
    header, *lines = diff.splitlines()
    path = root / header.removeprefix("--- ")
    content = path.read_text().splitlines()
    place = 0
    for line in lines:
        if line.startswith("+"):
            place += 1
            content.insert(place, line[1:])
        else:
            place = content.index(line[1:])
    path.write_text("\n".join(content) + "\n")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, tiny_demo: Path) -> Path:
    """A project whose copy of the package has the corpus, the model and the command of the recipes."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, root / "src" / "microfacial", ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks("python"):
        path = root / block.splitlines()[0].removeprefix("# ")
        assert not path.exists()
        path.write_text(block)
    for block in blocks("diff"):
        apply(block, root)
    release = root / "data" / "pilot"
    for frame in (tiny_demo / "Cropped").rglob("reg_img*"):
        target = release / "frames" / frame.parent.relative_to(tiny_demo / "Cropped")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(frame, target / frame.name.removeprefix("reg_img"))
    (table,) = tiny_demo.glob("CASME2-coding-*.xlsx")
    shutil.copy(table, release / "annotations.xlsx")
    params = yaml.safe_load(TINY_PARAMS)
    params["clips"] |= {"corpora": ["pilot"], "scheme": "pilot-4"}
    params["models"] = {"nearest_mean": {"input_px": 14}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return root


def run(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-m", "microfacial", *arguments]
    process = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.slow
def test_the_new_corpus_the_new_model_and_the_new_command_work(extended: Path) -> None:
    assert "(pilot 12) of 4 subjects" in run(extended, "clips")
    assert run(extended, "subjects").splitlines()[0] == "pilot/sub01: 3"
    run(extended, "faces")
    run(extended, "flow", "--processes", "1")
    assert "fold 4/4 pilot/sub04#0" in run(extended, "train", "nearest_mean", "--processes", "1")
    predictions = (extended / "results/tiny/train/nearest_mean/predictions.csv").read_text()
    assert len(predictions.splitlines()) == 1 + 12


def test_every_package_has_a_paragraph() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"records"}
    assert packages == set(re.findall(r"^\*\*(\w+)\*\* ", TEXT, flags=re.M))


def test_the_order_of_imports_is_the_order_that_is_checked() -> None:
    layers = re.search(r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), flags=re.M | re.S)
    assert layers is not None
    checked = [re.sub(r" \| ", " · ", line.strip(' ",')) for line in layers[1].splitlines()]
    block = re.search(r"^```\n(pipeline\nserving\n.*?)^```", TEXT, flags=re.M | re.S)
    assert block is not None
    assert block[1].splitlines() == [line for line in checked if line != "__main__"]


def test_the_files_of_a_training_exist() -> None:
    files = re.findall(r"^\| `([\w/]+\.py)` \|", TEXT, flags=re.M)
    assert len(files) == 5
    assert all((PACKAGE / file).is_file() for file in files)
