"""Refusals of `study apply`, each with a command that changes the situation, and the file that it writes."""

from dataclasses import replace

import pytest
import yaml

from microfacial.errors import PipelineError
from microfacial.models.presets import resolve
from microfacial.tuning.apply import choose_study, choose_trial, edit_params
from microfacial.tuning.trials import StoredStudy, Trial

TRIAL = Trial(number=0, state="complete", model="mlp", settings={}, params={}, scores={0: 0.5}, value=0.5, seconds=1.0)
STUDY = StoredStudy("tiny-mlp-0", {"mode": "split", "model": "mlp", "data": "d"}, (TRIAL,), None)


def test_a_nested_study_names_the_setting_and_the_command_with_its_model() -> None:
    nested = replace(STUDY, facts={**STUDY.facts, "mode": "nested"})
    with pytest.raises(PipelineError, match=r"study\.mode: split and run `microfacial study mlp`"):
        choose_study([nested], None, "tiny")


def test_a_study_of_other_data_is_repeated() -> None:
    with pytest.raises(PipelineError, match=r"other data\. Run `microfacial study mlp`"):
        choose_trial(STUDY, "other", force=False)


def test_a_study_without_a_better_trial_needs_more_trials() -> None:
    reference = replace(STUDY, trials=(replace(TRIAL, reference=True),))
    with pytest.raises(PipelineError, match=r"study\.trials and run `microfacial study mlp`, or apply with --force"):
        choose_trial(reference, "d", force=False)
    with pytest.raises(PipelineError, match=r"study\.trials and run `microfacial study mlp`"):
        choose_trial(replace(STUDY, trials=(replace(TRIAL, model="linear_svm"),)), "d", force=True)


def test_a_study_without_a_complete_trial_is_continued() -> None:
    stopped = replace(STUDY, trials=(replace(TRIAL, state="died", value=None),))
    with pytest.raises(PipelineError, match=r"1 died.*Run `microfacial study mlp`, which continues it"):
        choose_trial(stopped, "d", force=True)


def test_without_a_study_of_a_model_the_command_names_it() -> None:
    with pytest.raises(PipelineError, match="Run `microfacial study mlp`"):
        choose_study([], "mlp", "tiny")


@pytest.mark.parametrize(
    "block", ["  roi_cnn: {}\n  mlp: {}  # small\n  rgb: {}\n", "  mlp: {}\n", "  mlp:\n    epochs: 60\n"]
)
def test_settings_that_the_file_has_already_leave_it_readable(block: str) -> None:
    text = f"models:\n{block}study:\n  trials: 3\n"
    settings = resolve("mlp", yaml.safe_load(text)["models"]["mlp"], "mlp")
    trial = replace(TRIAL, settings=settings.model_dump(mode="json"))
    study = replace(STUDY, facts={**STUDY.facts, "subjects": ["demo/sub01"]})
    after = edit_params(text, study, trial, settings)
    assert after.startswith(text)
    content = yaml.safe_load(after)
    assert content["models"] == yaml.safe_load(text)["models"]
    assert content["tuned"]["mlp"]["subjects"] == ["demo/sub01"]
