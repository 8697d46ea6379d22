import pytest
import torch

import gpu


def test_the_benchmark_of_devices_runs_without_a_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    sizes = ["--clips", "12", "--subjects", "3", "--steps", "1", "--rounds", "1", "--side-px", "24"]
    gpu.main([*sizes, "--models", "roi_cnn", "--presets", "default"])
    lines = capsys.readouterr().out.splitlines()
    assert "no graphics processor" in lines[0]
    rows = [line.split("|") for line in lines if line.startswith("|")][2:]
    assert [row[1].split()[0].rstrip(",") for row in rows] == ["roi_cnn", "pretraining", "TV-L1"]
    assert all(row[2].strip() == "–" and float(row[3].strip(" ≈")) >= 0 for row in rows)


def test_a_row_has_the_ratio_of_both_times() -> None:
    assert str(gpu.Row("mlp", 2.0, 30.0, estimated=True)) == "| mlp | 2.0 | ≈ 30.0 | 15.0 |"
