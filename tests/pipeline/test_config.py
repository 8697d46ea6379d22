from pathlib import Path

import pytest
import yaml

from fakes import ROOT, TINY_PARAMS
from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.pipeline.config import load


def write_params(folder: Path, **sections: object) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(TINY_PARAMS), **sections}))
    return path


def test_params_yaml_is_valid_and_lists_the_first_models_in_order() -> None:
    models = list(load(ROOT / "params.yaml").models)
    assert models == list(MODELS)[: len(models)]
    assert models[-1] == "hybrid"


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("faces", {"sizepx": 56}, r"faces\.sizepx: "),
        ("faces", {"size_px": "56"}, r"faces\.size_px: .*'56'"),
        ("faces", {"size_px": 3}, r"faces\.size_px: .*\b28\b.*\b3\b"),
        ("faces", None, r"\bfaces\b.*\bNone\b"),
        ("flow", {"method": "raft"}, r"flow\.method: .*'variational'.*'raft'"),
        ("train", {"validation_folds": 1}, r"train\.validation_folds"),
        ("clips", {"corpora": ["casme2"], "root": "d", "scheme": "casme2-4"}, r"clips\.name: "),
        ("clips", {"name": "a", "corpora": ["casme2"], "scheme": "casme2-4"}, r"clips\.root: "),
        ("clips", {"name": "../up", "corpora": ["casme2"], "scheme": "casme2-4"}, r"clips\.name"),
        ("models", {"resnet": {}}, r"models\.resnet\b.*majority, linear_svm, motion_prior"),
        (
            "models",
            {"roi_cnn": {"preset": "huge"}},
            r"models\.roi_cnn\.preset: 'huge'.*default, mission",
        ),
        ("models", {"roi_cnn": {"epochs": 0}}, r"models\.roi_cnn\.epochs"),
        ("models", {"roi_cnn": {"widths": [8, 8]}}, r"models\.roi_cnn\.widths"),
        ("models", {}, r"\bmodels\b"),
        ("tuned", [], r"\btuned\b"),
        ("tuned", {"hybrid": {"study": "s"}}, r"tuned\.hybrid\.subjects: "),
        ("tuned", {"hybrid": {"study": "", "subjects": ["a"]}}, r"tuned\.hybrid\.study: "),
        ("tuned", {"roi_cn": {"study": "s", "subjects": ["a"]}}, r"tuned\.roi_cn: .*roi_cnn"),
        ("tarin", {}, r"\btarin\b"),
        ("models", {"roi_cnn": {"widths": [10, 10, 10, 10]}}, r"models\.roi_cnn\.widths\.0: .*\b8\b.*\b10\b"),
        ("models", {"roi_cnn": {"learning_rate": float("inf")}}, r"models\.roi_cnn\.learning_rate: .*\binf\b"),
        ("models", {"roi_cnn": {"preset": ["default"]}}, r"models\.roi_cnn\.preset: \['default'\]"),
        ("models", {"linear_svm": {"c_values": [-1.0]}}, r"models\.linear_svm\.c_values\.0"),
        ("faces", {"regions": "grid-28"}, r"faces\.regions: grid-28.*faces\.method: whole"),
        ("faces", {"method": "whole", "regions": "facs-8"}, r"faces\.regions: facs-8.*faces\.method: whole"),
        ("faces", {"method": "whole"}, r"faces\.method whole.*flow\.method published"),
        ("faces", {"template": "casme2-cropped"}, r"faces\.template: "),
        ("flow", {"method": "published"}, r"\[flow_maps\], faces\.method whole.*flow\.method published"),
    ],
)
def test_an_error_names_the_wrong_key_and_its_value(
    tmp_path: Path, section: str, content: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write_params(tmp_path, **{section: content}))


def test_models_of_frames_are_refused_for_flow_maps(tmp_path: Path) -> None:
    sections: dict[str, object] = {
        "clips": {"name": "maps", "root": "data", "corpora": ["flow_maps"], "scheme": "megc2019-3"},
        "faces": {"method": "whole", "regions": "grid-28", "size_px": 28},
        "flow": {"method": "published"},
    }
    load(write_params(tmp_path, **sections, models={"flow_cnn": {}}))
    with pytest.raises(ConfigError, match=r"models\.rgb\b"):
        load(write_params(tmp_path, **sections, models={"flow_cnn": {}, "rgb": {}}))


def test_an_error_names_a_missing_section(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("clips: {}")
    with pytest.raises(ConfigError, match=r"\bfaces\b"):
        load(path)


def test_the_error_for_a_missing_or_invalid_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("clips: [")
    with pytest.raises(ConfigError, match=r"params\.yaml") as caught:
        load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_the_preset_mission_sets_all_keys_and_can_be_overridden(tmp_path: Path) -> None:
    config = load(write_params(tmp_path, models={"roi_cnn": {"preset": "mission", "epochs": 1}}))
    settings = config.models["roi_cnn"]
    assert isinstance(settings, RoiCnnSettings)
    assert (settings.input_px, settings.widths[-1], settings.dropout) == (224, 256, 0.2)
    assert (settings.learning_rate, settings.batch_size, settings.patience, settings.epochs) == (1e-4, 32, 20, 1)


def test_the_section_tuned_lists_the_subjects_of_the_study(tmp_path: Path) -> None:
    tuned = {"roi_cnn": {"study": "first", "subjects": ["demo/sub01", "demo/sub02"]}}
    assert load(write_params(tmp_path, tuned=tuned)).tuned["roi_cnn"].subjects == ("demo/sub01", "demo/sub02")
    assert load(write_params(tmp_path)).tuned == {}


def test_the_section_study_is_optional(tmp_path: Path) -> None:
    assert load(write_params(tmp_path)).study.trials == 40
    assert load(
        write_params(tmp_path, study={"trials": 7, "fixed_parameters": ["encoder"]})
    ).study.fixed_parameters == ("encoder",)
    with pytest.raises(ConfigError, match=r"study\.trils: "):
        load(write_params(tmp_path, study={"trils": 7}))
