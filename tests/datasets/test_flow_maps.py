from pathlib import Path

import pytest

from fakes import WriteMaps
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.errors import DatasetError

COMPOSITE = {"sub01": 100, "sub02": 45, "s01": 164, "006": 133}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "flow_maps"
    path.mkdir()
    return path


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("flow_maps",), root=str(root.parent), scheme="megc2019-3"))


def test_the_form_of_a_subject_determines_its_corpus(write_maps: WriteMaps) -> None:
    clips = read(write_maps({"sub01": 3, "s03": 2})).clips
    assert [clip.person for clip in clips] == ["casme2/sub01"] * 3 + ["smic/s03"] * 2
    assert [clip.label for clip in clips] == ["negative", "positive", "surprise", "negative", "positive"]


def test_names_drop_the_space_before_the_extension_and_paths_keep_it(write_maps: WriteMaps) -> None:
    clip = read(write_maps({"s03": 1})).clips[0]
    assert (clip.name, clip.frame(0)) == ("s03_0", "flow_maps/s03/u_test/0/s03_0 .png")


def test_the_composite_has_442_maps(write_maps: WriteMaps) -> None:
    assert len(read(write_maps(COMPOSITE)).clips) == 442


def test_three_corpora_with_a_missing_map_are_refused_with_their_counts(write_maps: WriteMaps) -> None:
    with pytest.raises(DatasetError, match="casme2 145 of 145, smic 164 of 164, samm 132 of 133"):
        read(write_maps({**COMPOSITE, "006": 132}))


def test_two_corpora_are_not_compared_with_the_composite(write_maps: WriteMaps) -> None:
    assert len(read(write_maps({"sub01": 2, "s01": 2})).clips) == 4


def test_an_unknown_subject_folder_is_refused(write_maps: WriteMaps) -> None:
    with pytest.raises(DatasetError, match="'person1' "):
        read(write_maps({"person1": 1}))


def test_an_unknown_label_is_refused(write_maps: WriteMaps) -> None:
    root = write_maps({"sub01": 1})
    (root / "sub01/u_test/0").rename(root / "sub01/u_test/7")
    with pytest.raises(DatasetError, match=r"casme2/sub01/sub01_0: .*'7'"):
        read(root)


def test_an_empty_folder_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"<subject>/u_test/<label>/\*\.png in .*flow_maps"):
        read(folder)


def test_a_map_with_two_labels_is_refused(write_maps: WriteMaps) -> None:
    root = write_maps({"s03": 1})
    (root / "s03/u_test/1").mkdir()
    (root / "s03/u_test/1/s03_0 .png").write_bytes((root / "s03/u_test/0/s03_0 .png").read_bytes())
    with pytest.raises(DatasetError, match=r"smic/s03/s03_0 .*twice"):
        read(root)


def test_maps_may_have_an_upper_case_extension(write_maps: WriteMaps) -> None:
    root = write_maps({"sub01": 1, "s03": 1})
    (root / "s03/u_test/0/s03_0 .png").rename(root / "s03/u_test/0/s03_0 .PNG")
    assert [clip.frames for clip in read(root).clips if clip.corpus == "smic"] == ["flow_maps/s03/u_test/0/s03_0 .PNG"]
