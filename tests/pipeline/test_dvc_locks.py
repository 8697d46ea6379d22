from pathlib import Path

import pytest

from microfacial.pipeline.dvc_locks import remove_damaged_files

COMPLETE_FILES = {".dvc/tmp/rwlock": '{"read": {}, "write": {}}', "dvc.lock": "schema: '2.0'\nstages: {}\n"}


@pytest.mark.parametrize("name", COMPLETE_FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_truncated_file_of_dvc_is_removed_and_a_complete_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, share: float
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = COMPLETE_FILES[name]
    path.write_text(text if share == 1 else text[: round(share * len(text))] + "\x00")
    remove_damaged_files()
    assert path.exists() == (share == 1)
