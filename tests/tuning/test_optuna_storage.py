import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage

from microfacial.errors import PipelineError
from microfacial.models.presets import resolve
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.optuna_storage import (
    StudyStorage,
    find_studies,
    parameter_importances,
    read_study,
    write_conclusion,
)
from microfacial.tuning.optuna_study import TrialRunner
from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.trials import Conclusion, StoredStudy

MakeRunner = Callable[..., TrialRunner]
OUTSIDE_OF_SPACE = {"epochs": 2, "flip": False, "test_time_flip": False, "input_px": 7, "hidden": 5}


def test_studies_are_found_by_data_set_and_model_with_their_conclusion(make_runner: MakeRunner) -> None:
    runner = make_runner(trials=2)
    list(runner.run())
    conclusion = Conclusion(best=(1,), findings=(), looks=2)
    write_conclusion(runner.storage, runner.spec.name, conclusion)
    (study,) = find_studies(runner.storage, "demo", "mlp")
    assert isinstance(study, StoredStudy)
    assert study.conclusion == conclusion
    assert len(study.trials) == 2
    assert find_studies(runner.storage, "demo", "hybrid") == []
    assert find_studies(runner.storage, "casme2") == []
    assert read_study(runner.storage.open(), runner.spec.name) == study


def test_conclusions_of_earlier_releases_are_read(make_runner: MakeRunner) -> None:
    """They have a field `notes`, which was never filled."""
    import optuna

    runner = make_runner(trials=2)
    list(runner.run())
    study = optuna.load_study(study_name=runner.spec.name, storage=runner.storage.open())
    study.set_user_attr("conclusion", {"best": [1], "findings": [], "looks": 3, "notes": []})
    assert runner.read().conclusion == Conclusion(best=(1,), findings=(), looks=3)


def test_importances_cover_the_parameters_of_the_space_and_are_reproducible(make_runner: MakeRunner) -> None:
    outside = Candidate("mlp", resolve("mlp", OUTSIDE_OF_SPACE, "mlp"))
    runner = make_runner(outside, trials=7, prune=False)
    list(runner.run())
    shares = parameter_importances(runner.storage, runner.spec.name)
    assert shares.keys() == runner.spec.space.keys()
    assert sum(shares.values()) == pytest.approx(1)
    assert parameter_importances(runner.storage, runner.spec.name) == shares


def test_there_are_no_importances_if_there_are_too_few_trials(make_runner: MakeRunner) -> None:
    runner = make_runner(trials=2)
    list(runner.run())
    assert parameter_importances(runner.storage, runner.spec.name) == {}


def test_the_error_for_a_database_that_cannot_be_opened_names_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"study\.storage.*nonsense"):
        StudyStorage(tmp_path, StudyConfig(storage="nonsense")).open()


def test_the_error_for_a_database_that_does_not_answer_has_one_line_and_no_password(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"postgresql://127\.0\.0\.1:9/studies") as caught:
        StudyStorage(tmp_path, StudyConfig(storage="postgresql://me:secret@127.0.0.1:9/studies")).open()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:secret@h/x", "`pip install 'mysqlclient'`"),
        ("redis://u:secret@h", "redis://h cannot be opened"),
        ("sqlite:////nowhere/x.db", "sqlite:////nowhere/x.db cannot be opened"),
    ],
)
def test_each_cause_has_its_remedy_and_a_password_is_hidden(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(PipelineError) as caught:
        StudyStorage(tmp_path, StudyConfig(storage=url)).open()
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_lost_during_a_study_is_one_line(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(trials=3, storage="sqlite")
    trials = runner.run()
    next(trials)

    def fail(*_: object, **__: object) -> None:
        raise StorageInternalError("server closed the\nconnection to postgresql://me:secret@host/studies")

    monkeypatch.setattr(RDBStorage, "get_all_trials", fail)
    monkeypatch.setattr("optuna.storages._cached_storage._CachedStorage.get_all_trials", fail)
    with pytest.raises(PipelineError, match=r"studies\.db failed \(server closed the connection to .*//host/studies"):
        next(trials)


def test_a_damaged_database_of_the_project_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    path = tmp_path / "mlruns" / "studies.db"
    path.write_bytes(b"junk" * 500)
    with pytest.raises(PipelineError, match=f"{path} cannot be used"):
        StudyStorage(tmp_path, StudyConfig(storage="sqlite")).open()


def test_the_error_for_a_damaged_journal_names_it(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns/studies.journal").write_text("{no json\n{}\n")
    with pytest.raises(PipelineError, match=r"studies\.journal"):
        find_studies(StudyStorage(tmp_path, StudyConfig()), "demo")


@pytest.mark.parametrize(("storage", "name"), [("journal", "studies.journal"), ("sqlite", "studies.db")])
def test_studies_are_stored_in_mlruns(tmp_path: Path, storage: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExperimentalWarning)
        StudyStorage(tmp_path, StudyConfig(storage=storage)).open()
    assert (tmp_path / "mlruns" / name).exists() or storage == "journal"
    assert Path(StudyStorage(tmp_path, StudyConfig(storage=storage)).url).name == name
