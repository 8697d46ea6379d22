"""Clips per class and number of subjects in releases as long as the real ones, read from disk.

Expected counts were published, or were joined by hand from the published lists.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import census
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.records import Clip

MEGC2019 = "megc2019-3"


def read(folder: Path, corpus: str, scheme: str, exclude: tuple[str, ...] = ()) -> Listing:
    return read_all(folder.parent, (corpus,), scheme, exclude)


def read_all(root: Path, corpora: tuple[str, ...], scheme: str, exclude: tuple[str, ...] = ()) -> Listing:
    config = {"name": "t", "root": str(root), "corpora": corpora, "scheme": scheme, "exclude": exclude}
    return list_clips(ClipsConfig.model_validate(config))


def count(listing: Listing) -> Mapping[str, int]:
    return Counter(clip.label for clip in listing.clips)


def subjects(listing: Listing) -> set[str]:
    return {clip.subject for clip in listing.clips}


def find(listing: Listing, name: str) -> Clip:
    (clip,) = (clip for clip in listing.clips if clip.name == name)
    return clip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", params=[2014, 2019])
def casme2(request: pytest.FixtureRequest, root: Path) -> Iterator[tuple[int, Path]]:
    """The year of a sheet, and a release with that sheet."""
    year: int = request.param
    corpus = "casme2_2014" if year == 2014 else "casme2"
    yield year, census.write_census(corpus, root / "casme2", census.casme2_rows(year))
    shutil.rmtree(root / "casme2")


@pytest.fixture(scope="module")
def samm(root: Path) -> Path:
    return census.write_census("samm", root / "samm", census.samm_rows())


@pytest.fixture(scope="module")
def smic(root: Path) -> Path:
    """A folder with the clips of all cameras, and the long videos of the high-speed camera."""
    census.write_census("smic_e_hs", root / "smic", census.smic_e_rows())
    for camera in ("smic_nir", "smic_vis"):
        census.write_census(camera, root / "smic", census.smic_rows(census.SMIC_LATER, census.SMIC_LATER_SUBJECTS))
    return census.write_census("smic_hs", root / "smic", census.smic_rows())


@pytest.fixture(scope="module")
def casme3(root: Path) -> Path:
    return census.write_census("casme3", root / "casme3", census.casme3_rows())


# --- CASME II ---


def test_casme2_has_the_published_counts_in_four_and_in_five_classes(casme2: tuple[int, Path]) -> None:
    year, folder = casme2
    four = read(folder, "casme2", "casme2-4")
    expected = {"happiness": 32, "disgust": 63, "repression": 27, "surprise": 25 if year == 2014 else 28}
    assert count(four) == expected
    assert len(four.clips) == (147 if year == 2014 else 150)
    assert subjects(four) == {f"sub{number:02d}" for number in range(1, 27) if number not in (10, 18)}
    five = read(folder, "casme2", "casme2-5")
    assert count(five) == {**expected, "others": 99}
    assert len(subjects(five)) == 26


def test_casme2_has_145_clips_of_24_subjects_in_megc2019_with_either_sheet(casme2: tuple[int, Path]) -> None:
    listing = read(casme2[1], "casme2", MEGC2019)
    assert count(listing) == {"negative": 88, "positive": 32, "surprise": 25}
    assert len(subjects(listing)) == 24
    assert not {("sub04", "EP12_01f"), ("sub05", "EP09_05f")} & {(clip.subject, clip.name) for clip in listing.clips}


def test_casme2_clips_with_similar_names_are_not_merged(casme2: tuple[int, Path]) -> None:
    names = {(clip.subject, clip.name) for clip in read(casme2[1], "casme2", "casme2-5").clips}
    assert {("sub07", "EP06_02_01"), ("sub07", "EP06_02_02"), ("sub09", "EP09f")} <= names
    assert {("sub03", "EP01_2"), ("sub03", "EP08_1")} <= names
    assert ("sub24", "EP02_07") not in names


def test_casme2_has_a_missing_apex_in_2019_and_an_apex_at_the_onset(casme2: tuple[int, Path]) -> None:
    year, folder = casme2
    listing = read(folder, "casme2", "casme2-4")
    unknown, at_onset = find(listing, "EP12_01f"), find(listing, "EP09_05f")
    assert (unknown.apex, unknown.apex_source) == ((300, "annotated") if year == 2014 else (291, "midpoint"))
    assert (at_onset.apex, at_onset.apex_source) == (86, "midpoint")


# --- SAMM ---


def test_samm_has_136_clips_of_27_subjects_in_five_classes(samm: Path) -> None:
    listing = read(samm, "samm", "samm-5")
    assert count(listing) == {"anger": 57, "others": 26, "happiness": 26, "surprise": 15, "contempt": 12}
    assert (len(listing.clips), len(subjects(listing))) == (136, 27)


def test_samm_has_133_clips_of_28_subjects_in_megc2019(samm: Path) -> None:
    listing = read(samm, "samm", MEGC2019)
    assert count(listing) == {"negative": 92, "positive": 26, "surprise": 15}
    assert subjects(listing) == {f"{number:03d}" for number in census.SAMM_SUBJECTS if number != census.SAMM_OTHER_ONLY}
    assert len(subjects(listing)) == 28


def test_two_impossible_apexes_of_samm_are_corrected(samm: Path) -> None:
    listing = read(samm, "samm", "samm-5")
    assert [find(listing, name).apex for name in ("028_4_1", "032_3_1")] == [1105, 4945]
    assert all(clip.apex_source == "annotated" for clip in listing.clips)


# --- SMIC ---


def test_smic_has_164_clips_of_16_subjects(smic: Path) -> None:
    listing = read(smic, "smic_hs", MEGC2019)
    assert count(listing) == {"negative": 70, "positive": 51, "surprise": 43}
    assert len(subjects(listing)) == 16


@pytest.mark.parametrize("reader", ["smic_nir", "smic_vis"])
def test_the_other_cameras_of_smic_have_71_clips_of_8_subjects(smic: Path, reader: str) -> None:
    listing = read(smic, reader, MEGC2019)
    assert (len(listing.clips), len(subjects(listing))) == (71, 8)


def test_smic_e_has_157_clips_in_long_videos(smic: Path) -> None:
    listing = read(smic, "smic_e_hs", MEGC2019)
    assert (len(listing.clips), len(subjects(listing))) == (157, 16)
    assert sum(listing.dropped.values()) == 7
    assert not {clip.name for clip in listing.clips} & set(census.SMIC_LOST)
    assert all(clip.apex_source == "annotated" for clip in listing.clips)


# --- the composite of MEGC2019 ---


@pytest.mark.usefixtures("casme2", "samm", "smic")
def test_the_composite_has_442_clips_of_68_subjects_with_either_sheet(root: Path) -> None:
    clips = read_all(root, ("casme2", "samm", "smic_hs"), MEGC2019).clips
    assert Counter(clip.label for clip in clips) == {"negative": 250, "positive": 109, "surprise": 83}
    assert len(clips) == 442
    assert len({clip.person for clip in clips}) == 68


# --- CAS(ME)^3 ---


@pytest.mark.parametrize(("scheme", "total"), [("casme3-3", 699), ("casme3-4", 860), ("casme3-7", 860)])
def test_casme3_has_the_published_counts_with_the_corrections(casme3: Path, scheme: str, total: int) -> None:
    listing = read(casme3, "casme3", scheme)
    assert len(listing.clips) == total
    assert len(subjects(listing)) == 94
    corrected = [clip for clip in listing.clips if "corrected to" in clip.notes]
    moments = {f"{clip.subject}/{clip.name}": (clip.onset, clip.apex, clip.offset) for clip in corrected}
    assert moments == census.CASME3_CORRECTED
    assert all("tvaranka/meb" in clip.notes for clip in corrected)


def test_videos_of_casme3_hold_several_clips(casme3: Path) -> None:
    rows = census.casme3_rows()
    assert len(rows) == 860
    assert 390 < 860 - len({(row.subject, row.name) for row in rows}) < 405  # 397 in the real table
    assert sum(row.apex == row.onset for row in rows) == 55
    assert {row.name for row in rows if row.video == "j"} == {"J", "j"}


# --- MMEW ---


def test_mmew_has_300_clips_of_30_subjects(tmp_path: Path) -> None:
    listing = read(census.write_census("mmew", tmp_path / "mmew", census.mmew_rows()), "mmew", "mmew-4")
    assert count(listing) == {"happiness": 36, "surprise": 89, "disgust": 72, "others": 66}
    assert len(listing.clips) + sum(listing.dropped.values()) == 300
    assert len(subjects(listing)) == 30


# --- tables ---


def test_only_the_short_releases_of_smic_have_no_table() -> None:
    assert [name for name, layout in LAYOUTS.items() if layout.table is None] == ["smic_hs", "smic_nir", "smic_vis"]


def test_the_census_has_the_counts_of_the_releases_and_no_row_twice() -> None:
    for rows, counts in (
        (census.casme2_rows(2019), census.CASME2_2019),
        (census.samm_rows(), census.SAMM),
        (census.smic_rows(), census.SMIC),
        (census.casme3_rows(), census.CASME3),
        (census.mmew_rows(), census.MMEW),
    ):
        assert Counter(row.emotion for row in rows) == counts
        assert len({(row.subject, row.name, row.onset) for row in rows}) == len(rows)
