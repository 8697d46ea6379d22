import json
import re
from pathlib import Path

import numpy as np
import pytest

from command_line import run, set_params, train
from fakes import replace_flow
from microfacial.datasets.clip_table import read_clips
from microfacial.errors import ProtocolError
from microfacial.pipeline.commands.compare import explain_missing
from microfacial.pipeline.leaderboard import read_leaderboard
from microfacial.pipeline.project import open_project
from microfacial.records import SYNTHETIC


def test_two_trained_models_are_compared(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params("train", repeats=2)
    train(monkeypatch, "majority", "linear_svm", "roi_cnn")
    capsys.readouterr()
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 0
    model, baseline, difference, test, conclusion, note = capsys.readouterr().out.splitlines()
    scores = [float(line.split()[2]) for line in (model, baseline, difference)]
    assert scores[0] - scores[1] == pytest.approx(scores[2], abs=0.0011)
    assert "repetition" not in test
    assert "told from zero" in conclusion
    assert note == SYNTHETIC

    assert run(monkeypatch, "compare", "majority", "linear_svm", "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert {name: round(fields["scores"][name]["uf1"], 3) for name in fields["scores"]} == {
        "majority": scores[0],
        "linear_svm": scores[1],
    }
    assert fields["uf1_difference"] == fields["scores"]["majority"]["uf1"] - fields["scores"]["linear_svm"]["uf1"]
    assert fields["subjects"] == 4
    assert fields["conclusion"] == conclusion
    assert fields["scores"]["majority"]["note"] == SYNTHETIC

    assert run(monkeypatch, "compare", "roi_cnn", "linear_svm") == 0
    assert "on predictions of roi_cnn averaged over 2 repetitions" in capsys.readouterr().out

    assert run(monkeypatch, "compare", "majority", "mlp") == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("microfacial: mlp ")
    assert "tiny" in message
    assert run(monkeypatch, "compare", "majorit", "linear_svm", "--json") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "Did you mean majority?" in output.err

    set_params("train", protocol="holdout", holdout=["demo/sub01", "demo/sub02"])
    train(monkeypatch, "majority")
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 2
    message = capsys.readouterr().err
    assert "majority" in message
    assert "linear_svm" in message
    assert "protocol" in message


def test_models_trained_on_different_flow_are_not_compared(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(monkeypatch, "majority", "linear_svm")
    path = Path("results/tiny/flow/flow.npy")
    replace_flow(path, np.load(path) * 2)
    train(monkeypatch, "majority")
    capsys.readouterr()
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 2
    message = capsys.readouterr().err
    assert all(word in message for word in ("majority", "linear_svm", "flow"))
    set_params("models", majority={}, linear_svm={})
    assert run(monkeypatch, "report") == 2
    assert "trained on different flow" in capsys.readouterr().err
    with pytest.raises(ProtocolError, match="trained on different flow"):
        read_leaderboard(open_project())


def test_a_report_of_clips_that_changed_after_the_training_is_refused(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(monkeypatch, "majority")
    set_params("models", majority={})
    set_params("clips", exclude=[read_clips(Path("results/tiny/clips.csv"))[0].id])
    for stage in ("clips", "faces", "flow"):
        assert run(monkeypatch, stage) == 0
    capsys.readouterr()
    assert run(monkeypatch, "report") == 2
    assert re.search(r"^microfacial: clips\.csv has changed since majority was trained", capsys.readouterr().err, re.M)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x", "Choose from hybrid, mlp"),
        ("..", "Choose from"),
        ("", "Choose from"),
        ("mlpp", "Did you mean mlp?"),
        ("majority", "Run `dvc repro`, which trains it"),
        ("sssnet", "Add it under models"),
    ],
)
def test_a_name_without_results_has_its_own_remedy(name: str, words: str) -> None:
    text = explain_missing(name, ("mlp", "hybrid"), {"majority": {}}, "tiny")
    assert text.startswith((f"{name} is not trained on tiny. ", f"{name!r} is not the name"))
    assert words in text


def test_before_any_training_the_remedy_is_to_train() -> None:
    assert "Run `dvc repro`" in explain_missing("x", (), {}, "tiny")
