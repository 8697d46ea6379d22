import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes import replace_flow
from microfacial.errors import PipelineError
from microfacial.pipeline.config import load
from microfacial.pipeline.project import PARAMS
from microfacial.tuning.optuna_study import TrialRunner
from microfacial.tuning.trials import StoredStudy, choose_best

RunStudy = Callable[..., str]
SetStudy = Callable[..., None]
LatestStudy = Callable[[], StoredStudy]
LetWin = Callable[[int], None]


@pytest.mark.usefixtures("concluded")
def test_the_best_settings_are_written_into_params_yaml_and_comments_stay(
    study: RunStudy, latest_study: LatestStudy
) -> None:
    before = PARAMS.read_text()
    output = study("apply", "mlp")
    best = choose_best(latest_study().trials)
    assert best is not None
    config = load(PARAMS)
    assert config.models["mlp"].model_dump(mode="json") == best.settings
    assert config.tuned["mlp"].study == latest_study().name
    assert config.tuned["mlp"].subjects == ("demo/sub01", "demo/sub02", "demo/sub03")
    after = PARAMS.read_text()
    assert [comment in after for comment in ("# small", "# quick")] == [True, True]
    untouched = {line for line in before.splitlines() if "mlp:" not in line}
    assert untouched <= set(after.splitlines())
    assert "+  mlp:" in output
    assert "trial 2 of" in output


@pytest.mark.usefixtures("concluded")
def test_a_study_of_other_data_is_not_applied(study: RunStudy, study_project: Path) -> None:
    path = study_project / "results/tiny/flow/flow.npy"
    replace_flow(path, np.load(path) * 2)
    with pytest.raises(PipelineError, match=r"other data.*microfacial study mlp"):
        study("apply")


def test_a_study_without_a_conclusion_is_applied_only_with_force(
    study: RunStudy, latest_study: LatestStudy, let_win: LetWin
) -> None:
    let_win(2)
    study("mlp", "--no-conclusion")
    with pytest.raises(PipelineError, match="not concluded"):
        study("apply", "mlp")
    study("apply", "mlp", "--force")
    assert load(PARAMS).tuned["mlp"].study == latest_study().name


def test_trial_0_is_not_applied(study: RunStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialRunner, "_train", lambda *_: 0.5)
    study("mlp")
    with pytest.raises(PipelineError, match="trial 0"):
        study("apply", "mlp")


def test_a_nested_study_is_not_applied(study: RunStudy, set_study: SetStudy, latest_study: LatestStudy) -> None:
    set_study(mode="nested", tuning_subjects=[], outer_groups=4, inner_folds=3, trials=2)
    study("mlp", "--no-conclusion")
    with pytest.raises(PipelineError, match=f"{latest_study().name}.*nested"):
        study("apply", "mlp")


def test_the_error_for_a_missing_study_names_the_model_and_the_data_set(study: RunStudy) -> None:
    with pytest.raises(PipelineError, match="mlp on tiny"):
        study("apply", "mlp")


def test_show_lists_the_studies_and_their_results(study: RunStudy, latest_study: LatestStudy) -> None:
    assert "no study of any model in" in study("show")
    study("mlp")
    assert f"{latest_study().name}: " in study("show", "mlp")
    assert "1 studies in" in study("show")
    fields = json.loads(study("show", "mlp", "--json"))
    assert fields["storage"].endswith("mlruns/studies.journal")
    (stored,) = fields["studies"]
    assert stored["name"] == latest_study().name
    assert [trial["value"] for trial in stored["trials"]] == [trial.value for trial in latest_study().trials]
    best = choose_best(latest_study().trials)
    assert stored["best_trial"] == (best and best.number)
    assert (stored["conclusion"] is None) is (latest_study().conclusion is None)
