from pathlib import Path

import pytest

from command_line import run


def test_the_environment_sets_the_number_of_processes(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    for stage in ("clips", "faces"):
        run(monkeypatch, stage)
    for processes, code in (("0", 2), ("1", 0)):
        monkeypatch.setenv("MICROFACIAL_PROCESSES", processes)
        assert run(monkeypatch, "flow") == code
