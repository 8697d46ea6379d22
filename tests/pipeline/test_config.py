from pathlib import Path

import pytest
import yaml

from fakes import ROOT, TINY_PARAMS
from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.pipeline.config import load


def write(folder: Path, **sections: object) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(TINY_PARAMS), **sections}))
    return path


def test_the_shipped_params_are_valid_and_name_the_models_of_the_mission_in_order() -> None:
    shipped = list(load(ROOT / "params.yaml").models)
    assert shipped == list(MODELS)[: len(shipped)]
    assert shipped[-1] == "hybrid"


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("faces", {"sizepx": 56}, r"faces\.sizepx: no such key"),
        ("faces", {"size_px": "56"}, r"faces\.size_px: .*valid integer, found '56'"),
        ("faces", {"size_px": 3}, r"faces\.size_px: .*greater than or equal to 28, found 3"),
        ("faces", None, "faces must be a mapping"),
        ("flow", {"method": "raft"}, r"flow\.method: .*'variational'.*found 'raft'"),
        ("train", {"validation_folds": 1}, r"train\.validation_folds"),
        ("clips", {"corpora": ["casme2"], "root": "d", "scheme": "casme2-4"}, r"clips\.name: is missing"),
        ("clips", {"name": "a", "corpora": ["casme2"], "scheme": "casme2-4"}, r"clips\.root: is missing"),
        ("clips", {"name": "../up", "corpora": ["casme2"], "scheme": "casme2-4"}, r"clips\.name"),
        ("models", {"resnet": {}}, r"models\.resnet is not a model.*majority, linear_svm, rgb"),
        (
            "models",
            {"roi_cnn": {"preset": "huge"}},
            r"models\.roi_cnn\.preset: 'huge'.*default, mission",
        ),
        ("models", {"roi_cnn": {"epochs": 0}}, r"models\.roi_cnn\.epochs"),
        ("models", {"roi_cnn": {"widths": [8, 8]}}, r"models\.roi_cnn\.widths"),
        ("models", {}, "models must map"),
        ("tuned", [], "tuned must map"),
        ("tuned", {"hybrid": {"study": "s"}}, r"tuned\.hybrid\.subjects: is missing"),
        ("tarin", {}, "no section tarin"),
        ("models", {"roi_cnn": {"widths": [10, 10, 10, 10]}}, r"models\.roi_cnn\.widths\.0: .*multiple of 8"),
        ("models", {"roi_cnn": {"learning_rate": float("inf")}}, r"models\.roi_cnn\.learning_rate: .*finite"),
        ("models", {"roi_cnn": {"preset": ["default"]}}, r"models\.roi_cnn\.preset: \['default'\]"),
        ("models", {"linear_svm": {"c_values": [-1.0]}}, r"models\.linear_svm\.c_values\.0"),
        ("faces", {"regions": "grid-28"}, r"faces\.regions: grid-28.*faces\.method: whole"),
        ("faces", {"method": "whole", "regions": "facs-8"}, r"faces\.regions: facs-8.*faces\.method: whole"),
        ("faces", {"method": "whole"}, r"faces\.method whole and flow\.method published go together"),
        ("faces", {"template": "casme2-cropped"}, r"faces\.template: no such key"),
        ("flow", {"method": "published"}, r"\[flow_maps\], faces\.method whole and flow\.method published go together"),
    ],
)
def test_a_wrong_key_type_or_bound_is_refused_by_name(
    tmp_path: Path, section: str, content: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, **{section: content}))


def test_models_of_pictures_are_refused_for_maps_before_anything_runs(tmp_path: Path) -> None:
    sections: dict[str, object] = {
        "clips": {"name": "maps", "root": "data", "corpora": ["flow_maps"], "scheme": "megc2019-3"},
        "faces": {"method": "whole", "regions": "grid-28", "size_px": 28},
        "flow": {"method": "published"},
    }
    load(write(tmp_path, **sections, models={"flow_cnn": {}}))
    with pytest.raises(ConfigError, match=r"Remove models\.rgb"):
        load(write(tmp_path, **sections, models={"flow_cnn": {}, "rgb": {}}))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("clips: {}")
    with pytest.raises(ConfigError, match="section faces is missing"):
        load(path)


def test_a_missing_or_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="project's root"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("clips: [")
    with pytest.raises(ConfigError, match="not valid YAML") as caught:
        load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_the_mission_preset_is_the_missions_and_can_be_overridden(tmp_path: Path) -> None:
    config = load(write(tmp_path, models={"roi_cnn": {"preset": "mission", "epochs": 1}}))
    settings = config.models["roi_cnn"]
    assert isinstance(settings, RoiCnnSettings)
    assert (settings.input_px, settings.widths[-1], settings.dropout) == (224, 256, 0.2)
    assert (settings.learning_rate, settings.batch_size, settings.patience, settings.epochs) == (1e-4, 32, 20, 1)


def test_tuned_settings_name_the_subjects_they_were_chosen_on(tmp_path: Path) -> None:
    tuned = {"roi_cnn": {"study": "first", "subjects": ["demo/sub01", "demo/sub02"]}}
    assert load(write(tmp_path, tuned=tuned)).tuned["roi_cnn"].subjects == ("demo/sub01", "demo/sub02")
    assert load(write(tmp_path)).tuned == {}


def test_a_study_is_set_up_by_a_section_that_may_be_absent(tmp_path: Path) -> None:
    assert load(write(tmp_path)).study.trials == 40
    assert load(write(tmp_path, study={"trials": 7, "fixed_parameters": ["encoder"]})).study.fixed_parameters == (
        "encoder",
    )
    with pytest.raises(ConfigError, match=r"study\.trils: no such key"):
        load(write(tmp_path, study={"trils": 7}))
