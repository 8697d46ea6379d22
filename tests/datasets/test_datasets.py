import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from fakes import WriteCasme2, touch_frames
from microfacial.datasets import DATASETS, ClipsConfig, list_clips
from microfacial.datasets.annotations import SYNTHETIC_MARKER
from microfacial.errors import DatasetError
from microfacial.records import is_synthetic


def write_smic(root: Path, subject: str) -> None:
    touch_frames(root / f"smic/HS/{subject}/micro/surprise/{subject}_sur_01", "image{:06d}.bmp", range(9))


def test_a_data_set_joins_several_corpora_with_frames_in_their_folders(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]).parent
    write_smic(root, "s1")
    config = ClipsConfig(name="t", root=str(root), corpora=("smic_hs", "casme2"), scheme="megc2019-3")
    listing = list_clips(config)
    assert [clip.person for clip in listing.clips] == ["casme2/sub01", "smic/s01"]
    assert [clip.label for clip in listing.clips] == ["positive", "surprise"]
    assert all((root / clip.frame(number)).exists() for clip in listing.clips for number in clip.numbers)


def test_a_scheme_without_a_rule_for_a_corpus_is_refused(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")]).parent
    write_smic(root, "s1")
    with pytest.raises(DatasetError, match=r"smic/s01/s1_sur_01: .*casme2-4 .*smic"):
        list_clips(ClipsConfig(name="t", root=str(root), corpora=("casme2", "smic_hs"), scheme="casme2-4"))


def test_clips_in_a_marked_folder_have_a_synthetic_corpus(tmp_path: Path) -> None:
    write_smic(tmp_path, "s1")
    (tmp_path / "smic" / SYNTHETIC_MARKER).touch()
    (clip,) = list_clips(ClipsConfig(name="t", root=str(tmp_path), corpora=("smic_hs",), scheme="megc2019-3")).clips
    assert clip.corpus == "demo-smic"
    assert is_synthetic(clip.corpus)
    assert not is_synthetic("smic")


def test_every_corpus_explains_what_is_missing_in_an_empty_folder(tmp_path: Path) -> None:
    for dataset in DATASETS.values():
        with pytest.raises(DatasetError, match=rf"no .* in {re.escape(str(tmp_path / dataset.folder))}.*params\.yaml"):
            dataset.open_release(tmp_path / dataset.folder)


def test_an_empty_id_cannot_be_excluded() -> None:
    with pytest.raises(ValidationError, match=r"exclude\.0"):
        ClipsConfig(name="t", root="data", corpora=("mmew",), scheme="mmew-4", exclude=("",))
