from pathlib import Path

import pytest

from command_line import run
from microfacial.models.prior import MotionPrior


def test_pretrain_needs_no_project_and_writes_weights_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 0
    sha256 = capsys.readouterr().out.split()[-1]
    assert MotionPrior.read(Path("mine.safetensors"), sha256).units
    assert "| steps | 1 |" in Path("mine.md").read_text()


@pytest.mark.parametrize(
    ("options", "value"), [(("--device", "abacus"), "abacus"), (("--output", "prior.pt"), "prior.pt")]
)
def test_wrong_options_end_in_one_line(
    options: tuple[str, ...],
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "pretrain", "--steps", "1", *options) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("microfacial: ")
    assert value in error
    assert not list(tmp_path.iterdir())
