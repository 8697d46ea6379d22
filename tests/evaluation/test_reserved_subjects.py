from pathlib import Path

import numpy as np
import pytest
import reserved_subjects
from tracked_training import CONFIG, make_folds

from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.scoring import pool
from microfacial.records import Samples


def test_every_second_subject_of_each_corpus_is_reserved() -> None:
    subjects = np.array(["b/2", "a/1", "a/2", "a/3", "b/1", "b/1"])
    assert reserved_subjects.find_reserved(subjects) == {"a/2", "b/2"}


def test_both_tables_have_all_models_and_a_missing_one_is_refused(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = make_folds(samples, CONFIG)
    for model in ("first", "second"):
        write_training(tmp_path / model, samples, folds, pool(model, samples, folds, CONFIG))
    reserved_subjects.main([str(tmp_path), "--model", "first"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "clips of" in line] == ["25 clips of 7 subjects", "12 clips of 3 subjects"]
    assert sum("| second | 1 | 1.000 ± 0.000 | 1.000–1.000 | 1.000 | +0.000 |" in line for line in lines) == 2
    with pytest.raises(SystemExit) as stopped:
        reserved_subjects.main([str(tmp_path)])
    assert stopped.value.code == 2
