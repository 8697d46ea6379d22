"""Helpers for tests that run commands in this process, in the current folder."""

import csv
from pathlib import Path

import pytest
import yaml

from microfacial.pipeline.cli import run_command_line


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command and return its exit code."""
    monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run_command_line()
    return int(stopped.value.code or 0)


def train(monkeypatch: pytest.MonkeyPatch, *models: str) -> None:
    """Run the stage `train` for each model."""
    for model in models:
        assert run(monkeypatch, "train", model, "--processes", "1") == 0


def set_params(section: str, **values: object) -> None:
    """Change keys in one section of params.yaml."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[section] = {**params[section], **values}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as texts by column."""
    with path.open() as stream:
        return list(csv.DictReader(stream))
