from pathlib import Path

import pytest

from microfacial.pipeline.dvc import remove_damaged_files

WHOLE = {".dvc/tmp/rwlock": '{"read": {}, "write": {}}', "dvc.lock": "schema: '2.0'\nstages: {}\n"}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_file_of_dvc_that_a_kill_cut_off_is_removed_and_a_whole_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, share: float
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(WHOLE[name][: round(share * len(WHOLE[name]))] + ("" if share == 1 else "\x00"))
    remove_damaged_files()
    assert path.exists() == (share == 1)
