import re
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import run, set_params
from microfacial.api.features import load_features
from microfacial.errors import StorageError
from microfacial.evaluation.experiment import load_data
from microfacial.preprocessing.stage_settings import differences, require_stage_settings


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


def test_settings_of_other_results_are_not_compared(project_with_flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Path("results/tiny/settings/faces.json").read_text()
    set_params("faces", size_px=40)
    for command in ("faces", "flow"):
        assert run(monkeypatch, command) == 0
    Path("results/tiny/settings/faces.json").write_text(stored)  # DVC can restore the faces alone
    load_data()


def test_differences_name_new_and_missing_keys() -> None:
    current, used = {"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}, "e": 5}
    assert list(differences(current, used, "x")) == [("x.b.c", 2, 4), ("x.b.d", 3, None), ("x.e", None, 5)]
