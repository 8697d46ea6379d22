"""Counts of emotions are from the releases. Counts of classes were published, or added by hand from the lists."""

from collections import Counter

import pytest

from census import CASME2_2014, CASME2_2019, CASME3, SAMM, SMIC
from microfacial.datasets import find_scheme
from microfacial.datasets.label_schemes import MEGC2019_MAPS, SCHEMES
from microfacial.errors import DatasetError


def count(scheme: str, corpus: str, emotions: dict[str, int]) -> Counter[str]:
    labels = Counter[str]()
    for emotion, times in emotions.items():
        labels[SCHEMES[scheme].label(corpus, emotion, "here") or "left out"] += times
    return labels


@pytest.mark.parametrize(
    ("scheme", "corpus", "emotions", "expected"),
    [
        ("casme2-4", "casme2", CASME2_2014, {"happiness": 32, "disgust": 63, "repression": 27, "surprise": 25}),
        ("casme2-4", "casme2", CASME2_2019, {"happiness": 32, "disgust": 63, "repression": 27, "surprise": 28}),
        (
            "casme2-5",
            "casme2",
            CASME2_2014,
            {"happiness": 32, "disgust": 63, "repression": 27, "surprise": 25, "others": 99},
        ),
        ("samm-5", "samm", SAMM, {"anger": 57, "others": 26, "happiness": 26, "surprise": 15, "contempt": 12}),
        ("megc2019-3", "samm", SAMM, {"negative": 92, "positive": 26, "surprise": 15}),
        ("megc2019-3", "smic", SMIC, SMIC),
        ("megc2019-3", MEGC2019_MAPS, SMIC, SMIC),
        ("casme3-3", "casme3", CASME3, {"negative": 457, "positive": 55, "surprise": 187}),
        ("casme3-4", "casme3", CASME3, {"negative": 457, "positive": 55, "surprise": 187, "others": 161}),
        (
            "casme3-7",
            "casme3",
            CASME3,
            {"disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64, "sad": 57, "happy": 55},
        ),
    ],
)
def test_a_release_has_the_published_number_of_clips_per_class(
    scheme: str, corpus: str, emotions: dict[str, int], expected: dict[str, int]
) -> None:
    classes = count(scheme, corpus, emotions)
    del classes["left out"]
    assert classes == expected
    assert set(classes) == set(SCHEMES[scheme].classes)


@pytest.mark.parametrize(
    ("scheme", "corpus", "emotions", "total"),
    [
        ("casme2-4", "casme2", CASME2_2014, 147),
        ("casme2-4", "casme2", CASME2_2019, 150),
        ("casme2-5", "casme2", CASME2_2014, 246),
        ("casme2-5", "casme2", CASME2_2019, 249),
        ("samm-5", "samm", SAMM, 136),
        ("casme3-3", "casme3", CASME3, 699),
        ("casme3-4", "casme3", CASME3, 860),
        ("casme3-7", "casme3", CASME3, 860),
    ],
)
def test_a_release_has_the_published_number_of_clips(
    scheme: str, corpus: str, emotions: dict[str, int], total: int
) -> None:
    classes = count(scheme, corpus, emotions)
    assert classes.total() - classes["left out"] == total


def test_a_scheme_can_keep_an_emotion_in_one_corpus_and_leave_it_out_in_another() -> None:
    scheme = SCHEMES["megc2019-3"]
    assert scheme.label("casme2", "sadness", "here") is None
    assert scheme.label("samm", "Sadness", "here") == "negative"


@pytest.mark.parametrize("spelling", ["others", "Others", "Other", "other ", "OTHERS"])
def test_all_spellings_of_others_are_one_emotion(spelling: str) -> None:
    assert SCHEMES["casme2-5"].label("casme2", spelling, "here") == "others"


def test_an_emotion_of_another_corpus_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"here: .*'contempt'.*megc2019-3.*disgust, fear"):
        SCHEMES["megc2019-3"].label("casme2", "contempt", "here")


def test_a_corpus_without_a_rule_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"here: .*samm-5 .*smic .*samm"):
        SCHEMES["samm-5"].label("smic", "negative", "here")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_rule_gives_all_classes_of_its_scheme(scheme: str) -> None:
    for rule in SCHEMES[scheme].rules.values():
        assert set(rule.values()) - {None} == set(SCHEMES[scheme].classes)


def test_the_scheme_of_units_keeps_every_emotion_that_another_scheme_knows() -> None:
    scheme = find_scheme("units")
    assert scheme.classes == ("any",)
    assert {scheme.label("casme2", emotion, "here") for emotion in ("others", "fear", "happiness")} == {"any"}
    assert scheme.label("samm", "Other", "here") == "any"
    with pytest.raises(DatasetError, match="grumpiness"):
        scheme.label("casme2", "grumpiness", "here")


@pytest.mark.parametrize("corpus", ["smic", MEGC2019_MAPS])
def test_the_scheme_of_units_refuses_corpora_without_units(corpus: str) -> None:
    with pytest.raises(DatasetError, match=corpus):
        find_scheme("units").label(corpus, "positive", "here")
