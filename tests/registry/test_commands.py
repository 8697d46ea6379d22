"""The commands from a challenger to a champion that predicts, on the tiny demo."""

import json
import re
from pathlib import Path

import cv2
import pytest
from mlflow.exceptions import MlflowException

from fake_versions import Run, clips_of, describe_moments, folder_of, frames_of, open_registry
from microfacial.datasets.image_files import read_image
from microfacial.errors import StorageError
from microfacial.inference.bundle import EVIDENCE
from microfacial.registry.evidence import read_evidence
from microfacial.tracking.model_versions import Registry


@pytest.mark.slow
def test_register_promote_predict_and_roll_back(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("promote") == 2
    assert "tiny.casme2-4 has no challenger" in capsys.readouterr().err
    assert run("register", "majority") == 0
    assert run("promote") in (0, 1)  # either result is possible: the tiny SVM is a weak baseline
    if "version 1 refused" in capsys.readouterr().out:
        assert run("promote", "--force", "a start") == 0
    assert run("register", "linear_svm") == 0
    assert run("promote", "--dry-run") in (0, 1)
    output = capsys.readouterr().out
    assert "dry run" in output
    assert re.search(
        r"UF1 0\.\d+ against 0\.\d+: [+-]0\.\d+, lower bound [+-]0\.\d+, on 12 clips of 4 subjects", output
    )
    assert re.search(r"\d+ ms per clip against \d+ ms, \d+ kB of weights against \d+ kB", output)
    assert run("promote", "--force", "to see it predict") == 0
    clip = clips_of(place)[0]
    capsys.readouterr()
    assert run("predict", frames_of(clip), "--json", *describe_moments(clip)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["clip"] == frames_of(clip)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert run("lineage") == 0
    output = capsys.readouterr().out
    assert "version 2  linear_svm, refit, loso  ← champion" in output
    assert re.search(r"(2|3)  .* version 2 promoted", output)
    assert run("rollback", "--reason", "enough") == 0
    assert "version 2 rolled back to version 1 (reason: enough)" in capsys.readouterr().out
    champion = open_registry(place).find("champion")
    assert champion is not None
    assert champion.version == 1


def test_predict_continues_after_a_clip_that_cannot_be_read(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", "x") == 2
    error = capsys.readouterr().err
    assert re.search("tiny.casme2-4 has no champion.*microfacial register MODEL.*microfacial promote", error)
    assert run("register", "linear_svm") == 0
    assert run("predict", "x") == 2
    assert "register" not in capsys.readouterr().err  # there is a challenger, so `promote` is enough
    assert run("predict", "x", "--alias", "champion") == 2  # a version that was requested is not replaced
    assert "motion_prior" not in capsys.readouterr().err
    assert run("promote", "--dry-run", "--bootstrap") == 0
    assert "interrupted" not in capsys.readouterr().out
    clip = clips_of(place)[0]
    capsys.readouterr()
    assert run("predict", "nothing", frames_of(clip), "--alias", "challenger", *describe_moments(clip)) == 2
    output = capsys.readouterr()
    assert re.search(r"^microfacial: nothing .*\.avi.*$", output.err, re.MULTILINE)
    assert output.err.count("lie") == 1  # the note on misuse
    assert re.search(rf"{re.escape(frames_of(clip))}  \w+  \(happiness 0\.\d+", output.out)
    moments = describe_moments(clip)
    assert run("predict", "nothing", frames_of(clip), "gone", "--json", "--alias", "challenger", *moments) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["clip"] for line in lines] == ["nothing", frames_of(clip), "gone"]
    assert ["error" in line for line in lines] == [True, False, True]
    assert "gone" in lines[2]["error"]
    assert run("predict", frames_of(clip), "--version", "7", *describe_moments(clip)) == 2
    assert "version 7" in capsys.readouterr().err


def test_a_video_is_predicted_as_its_frames_are(svm_place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips_of(svm_place)[0]
    images = [read_image(Path("data") / clip.frame(number)) for number in clip.numbers]
    height, width = images[0].shape[:2]
    video = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"FFV1"), 200.0, (width, height))  # lossless
    for image in images:
        video.write(image)
    video.release()
    answers = []
    for path, first in ((frames_of(clip), 0), ("clip.avi", clip.numbers[0] - 1)):
        moments = [str(number - first) for number in (clip.onset, clip.apex, clip.offset)]
        capsys.readouterr()
        options = [word for pair in zip(("--onset", "--apex", "--offset"), moments, strict=True) for word in pair]
        assert run("predict", path, "--alias", "challenger", "--json", *options) == 0
        answers.append(json.loads(capsys.readouterr().out)["probabilities"])
    assert answers[1] == pytest.approx(answers[0], abs=0.02)  # the codec halves the resolution of colour


def test_predict_warns_if_a_version_has_other_code(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("register", "majority") == 0
    clip = clips_of(place)[0]
    command = ["predict", frames_of(clip), "--alias", "challenger", *describe_moments(clip)]
    capsys.readouterr()
    assert run(*command) == 0
    assert "majority, version 1" not in capsys.readouterr().err
    with (folder_of(place) / "code" / "microfacial" / "preprocessing" / "flow.py").open("a") as code:
        code.write("SIDE_PX = 1\n")
    assert run(*command) == 0
    assert re.search("majority, version 1 .*mlflow models predict -m", capsys.readouterr().err)


def test_damaged_evidence_is_named(svm_place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert [run("promote", "--bootstrap"), run("register", "roi_cnn")] == [0, 0]
    (folder_of(svm_place) / EVIDENCE / "evidence.json").write_text("{}")
    assert run("promote") == 2
    assert re.search("evidence of linear_svm, version 1", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("name", "wrong"), [("tuned_on", ["demo/sub01"]), ("data", "0" * 16), ("scheme", "casme2-5"), ("dataset", "other")]
)
def test_evidence_that_contradicts_the_record_of_its_version_is_refused(
    svm_place: Path, name: str, wrong: object
) -> None:
    version = open_registry(svm_place).find("challenger")
    assert version is not None
    folder = folder_of(svm_place) / EVIDENCE
    assert read_evidence(folder, version).name == version.title
    facts = json.loads((folder / "evidence.json").read_text())
    (folder / "evidence.json").write_text(json.dumps({**facts, name: wrong}))
    with pytest.raises(StorageError, match=rf"evidence\.json.*{name}"):
        read_evidence(folder, version)


@pytest.mark.usefixtures("svm_place")
def test_an_mlflow_failure_has_another_exit_code_than_a_refusal(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MlflowException("the server is gone")

    monkeypatch.setattr(Registry, "set_alias", fail)
    assert run("promote", "--bootstrap") == 2
    assert "the server is gone" in capsys.readouterr().err


def test_a_bundle_predicts_without_a_project(
    place: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("register", "linear_svm") == 0
    clip, version = clips_of(place)[0], folder_of(place)
    frames = str(place / frames_of(clip))
    capsys.readouterr()
    assert run("predict", frames, "--json", "--alias", "challenger", *describe_moments(clip)) == 0
    expected = json.loads(capsys.readouterr().out)
    for address in ("models:/tiny.casme2-4@challenger", "models:/tiny.casme2-4/1"):
        assert run("predict", frames, "--json", "--model", address, *describe_moments(clip)) == 0
        assert json.loads(capsys.readouterr().out) == expected
    assert run("predict", frames, "--json", "--model", "models:/tiny.casme2-4/7", *describe_moments(clip)) == 2
    assert "version 7" in capsys.readouterr().err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for folder in (version, version / "artifacts" / "bundle"):
        assert run("predict", frames, "--json", "--model", str(folder), *describe_moments(clip)) == 0
        assert json.loads(capsys.readouterr().out)["probabilities"] == expected["probabilities"]
    assert run("predict", frames, "--model", "models:/tiny.casme2-4/1") == 2
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err
    assert not Path("mlruns").exists()
    assert run("predict", frames, "--model", str(tmp_path)) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path} contains no bundle" in message
    assert "bundle.json" in message
    assert list(Path().iterdir()) == []
