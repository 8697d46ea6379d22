import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from microfacial.errors import PipelineError
from microfacial.tuning.journal import repair_journal
from microfacial.tuning.optuna_storage import StudyStorage
from microfacial.tuning.settings import StudyConfig
from read_only import call_as_reader

RECORDS = b"".join(json.dumps({"op_code": number, "text": "a"}).encode() + b"\n" for number in range(3))
LAST = RECORDS.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("length", range(1, len(LAST)))
def test_a_record_cut_at_any_place_is_removed_and_the_others_stay(tmp_path: Path, length: int) -> None:
    journal = tmp_path / "studies.journal"
    journal.write_bytes(RECORDS + LAST[:length])
    repair_journal(journal)
    assert journal.read_bytes() == RECORDS


def test_zeros_that_a_power_failure_leaves_are_removed(tmp_path: Path) -> None:
    journal = tmp_path / "studies.journal"
    journal.write_bytes(RECORDS + b"\0" * 100)
    repair_journal(journal)
    assert journal.read_bytes() == RECORDS


@pytest.mark.parametrize("content", [RECORDS, b""])
def test_a_complete_journal_stays_and_a_missing_journal_is_not_created(tmp_path: Path, content: bytes) -> None:
    journal = tmp_path / "studies.journal"
    repair_journal(journal)
    assert not journal.exists()
    journal.write_bytes(content)
    repair_journal(journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("line", [b"{\n", b'{"a": 1}{"b": 2}\n', b"[]\n", b"\xff\n", b"\n"])
def test_a_damaged_line_before_the_last_is_named(tmp_path: Path, line: bytes) -> None:
    journal = tmp_path / "studies.journal"
    journal.write_bytes(RECORDS + line + RECORDS)
    with pytest.raises(PipelineError, match=r"studies\.journal: line 4 "):
        repair_journal(journal)
    assert journal.read_bytes() == RECORDS + line + RECORDS


def test_a_folder_in_place_of_the_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "studies.journal").mkdir(parents=True)
    with pytest.raises(PipelineError, match="not a file"):
        StudyStorage(tmp_path, StudyConfig(storage="journal")).open()


def test_a_study_continues_after_a_torn_write_and_loses_no_trial(tmp_path: Path) -> None:
    storage = StudyStorage(tmp_path, StudyConfig(storage="journal"))
    study = optuna.create_study(storage=storage.open(), study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with Path(storage.url).open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    study = optuna.load_study(storage=storage.open(), study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    again = optuna.load_study(storage=JournalStorage(JournalFileBackend(storage.url)), study_name="s")
    assert [trial.state.name for trial in again.trials] == ["COMPLETE"] * 4


def test_a_reader_lists_studies_and_writes_nothing(tmp_path: Path) -> None:
    storage = StudyStorage(tmp_path, StudyConfig())
    optuna.create_study(study_name="s", storage=storage.open())
    journal = Path(storage.url)
    with journal.open("ab") as stream:
        stream.write(LAST[:5])
    before = journal.read_bytes()
    answer = call_as_reader(
        tmp_path, lambda: [study.study_name for study in storage.open(reading=True).get_all_studies()]
    )
    assert answer == "['s']"
    assert journal.read_bytes() == before


@pytest.mark.parametrize("name", ["journal", "sqlite"])
def test_a_reader_of_a_project_without_studies_gets_none(tmp_path: Path, name: str) -> None:
    storage = StudyStorage(tmp_path, StudyConfig(storage=name))
    assert call_as_reader(tmp_path, lambda: storage.open(reading=True).get_all_studies()) == "[]"


def test_a_reader_opens_studies_in_a_database(tmp_path: Path) -> None:
    storage = StudyStorage(tmp_path, StudyConfig(storage="sqlite"))
    optuna.create_study(study_name="s", storage=storage.open())
    answer = call_as_reader(
        tmp_path, lambda: [study.study_name for study in storage.open(reading=True).get_all_studies()]
    )
    assert answer == "['s']"
