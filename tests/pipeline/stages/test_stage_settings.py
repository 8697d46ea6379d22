import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import run, set_params
from microfacial.api.features import load_features
from microfacial.datasets.clip_table import read_clips, write_clips
from microfacial.errors import StorageError
from microfacial.evaluation.experiment import load_data
from microfacial.pipeline.config import load
from microfacial.pipeline.doctor import examine
from microfacial.preprocessing.stage_settings import differences, require_stage_settings, write_stage_settings


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("clips", {"scheme": "casme2-5"}, "clips.scheme is 'casme2-5', .*'casme2-4'"),
        ("faces", {"regions": "facs-8"}, "faces.regions is 'facs-8', .*'mission'"),
        ("flow", {"head_motion": "off"}, "flow.head_motion is 'off', .*'similarity-twice'"),
    ],
)
@pytest.mark.parametrize("load", [load_data, load_features])
def test_features_of_other_settings_are_refused(
    project_with_flow: Path, load: Callable[[], object], section: str, values: dict[str, str], named: str
) -> None:
    load()
    set_params(section, **values)
    with pytest.raises(StorageError, match=named):
        load()


@pytest.mark.parametrize("command", [("train", "majority"), ("study", "majority"), ("ablate",)])
def test_commands_refuse_features_of_other_settings(
    project_with_flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    set_params("flow", blur_sigma_px=2.0)
    assert run(monkeypatch, *command) == 2
    assert re.search(r"flow\.blur_sigma_px is 2\.0, .*0\.8", capsys.readouterr().err)


def test_results_of_earlier_versions_are_not_checked(project_with_flow: Path) -> None:
    set_params("flow", head_motion="off")
    for path in Path("results/tiny/settings").iterdir():
        path.unlink()
    require_stage_settings(Path("results/tiny"), Path("params.yaml"))


@pytest.mark.parametrize("load", [load_data, load_features])
def test_results_that_changed_after_their_stage_are_refused(
    project_with_flow: Path, load: Callable[[], object]
) -> None:
    path = Path("results/tiny/clips.csv")
    original = path.read_bytes()
    path.write_bytes(original.replace(b"\n", b"\r\n"))
    with pytest.raises(StorageError, match=r"clips\.csv is not what the stage clips wrote.*dvc repro"):
        load()
    path.write_bytes(original)
    load()


@pytest.mark.parametrize("load", [load_data, load_features])
def test_faces_and_flow_of_other_moments_are_refused(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[[], object]
) -> None:
    set_params("clips", apex="midpoint")
    for stages, refused in (("clips", "faces"), ("faces", "flow")):
        assert run(monkeypatch, stages) == 0
        with pytest.raises(StorageError, match=f"the stage {refused} was run on other .*moments of the clips"):
            load()
    assert run(monkeypatch, "flow") == 0
    load()


def test_flow_of_other_faces_is_refused_and_doctor_warns(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params("faces", method="template")
    assert run(monkeypatch, "faces") == 0
    with pytest.raises(StorageError, match="the stage flow was run on other faces"):
        load_data()
    (result,) = (result for result in examine() if result.subject == "faces and flow")
    assert (result.word, result.sound) == ("warn", True)
    assert "the stage flow was run on other faces" in result.detail


def test_other_labels_need_no_new_faces(project_with_flow: Path) -> None:
    results, path = Path("results/tiny"), Path("results/tiny/clips.csv")
    write_clips(path, [replace(clip, label="surprise") for clip in read_clips(path)])
    write_stage_settings(results, "clips", load(Path("params.yaml")).clips)
    require_stage_settings(results, Path("params.yaml"))


def test_differences_name_new_and_missing_keys() -> None:
    current, used = {"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}, "e": 5}
    assert list(differences(current, used, "x")) == [("x.b.c", 2, 4), ("x.b.d", 3, None), ("x.e", None, 5)]
