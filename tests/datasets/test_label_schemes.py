"""Counts of emotions are those of the releases; counts of classes were published, or joined by hand from the lists."""

from collections import Counter

import pytest

from census import CASME2_2014, CASME2_2019, CASME3, SAMM, SMIC
from microfacial.datasets.annotations import Annotation
from microfacial.datasets.clips import classify
from microfacial.datasets.corrections import EXCLUSIONS, PATCHES
from microfacial.datasets.label_schemes import MEGC2019_MAPS, SCHEMES
from microfacial.errors import DatasetError

CASME2_NAMED = {  # emotion of the clips that corrections speak of; the three surprises are those of 2019
    ("sub04", "EP12_01f"): "disgust",
    ("sub05", "EP09_05f"): "disgust",
    ("sub24", "EP07_01"): "surprise",
    ("sub24", "EP07_04f"): "surprise",
    ("sub24", "EP10_03"): "surprise",
}


def annotate(subject: str, name: str, emotion: str, corpus: str = "casme2") -> Annotation:
    return Annotation(
        corpus=corpus,
        vocabulary="casme2",
        subject=subject,
        name=name,
        emotion=emotion,
        action_units="",
        onset=1,
        apex=2,
        offset=3,
        fps=200.0,
    )


def count(scheme: str, corpus: str, emotions: dict[str, int]) -> Counter[str]:
    labels = Counter[str]()
    for emotion, times in emotions.items():
        labels[SCHEMES[scheme].label(corpus, emotion, "here") or "left out"] += times
    return labels


def casme2_sheet(emotions: dict[str, int], named: dict[tuple[str, str], str]) -> list[Annotation]:
    """As many rows of each emotion as the sheet has, the named clips among them."""
    unnamed = Counter(emotions) - Counter(named.values())
    rows = [annotate(subject, name, emotion) for (subject, name), emotion in named.items()]
    return rows + [annotate("sub01", f"clip{number}", emotion) for number, emotion in enumerate(unnamed.elements())]


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
def test_a_release_has_so_many_clips_of_each_class(
    scheme: str, corpus: str, emotions: dict[str, int], expected: dict[str, int]
) -> None:
    found = count(scheme, corpus, emotions)
    del found["left out"]
    assert found == expected
    assert set(found) == set(SCHEMES[scheme].classes)


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
def test_a_release_has_so_many_clips_in_all(scheme: str, corpus: str, emotions: dict[str, int], total: int) -> None:
    found = count(scheme, corpus, emotions)
    assert found.total() - found["left out"] == total


@pytest.mark.parametrize("year", [2014, 2019])
@pytest.mark.parametrize("with_the_clip_of_the_benchmark", [False, True])
def test_casme2_has_145_clips_in_megc2019_by_either_sheet(year: int, with_the_clip_of_the_benchmark: bool) -> None:
    emotions, named = dict(CASME2_2019), dict(CASME2_NAMED)
    if year == 2014:
        emotions = dict(CASME2_2014)
        named = {clip: "sadness" if emotion == "surprise" else emotion for clip, emotion in named.items()}
    if with_the_clip_of_the_benchmark:
        emotions["disgust"] += 1
        named["sub24", "EP02_07"] = "disgust"
    labels = Counter(classify(row, SCHEMES["megc2019-3"])[1] for row in casme2_sheet(emotions, named))
    del labels[None]
    assert labels == {"negative": 88, "positive": 32, "surprise": 25}


def test_an_emotion_may_be_kept_in_one_corpus_and_left_out_in_another() -> None:
    scheme = SCHEMES["megc2019-3"]
    assert scheme.label("casme2", "sadness", "here") is None
    assert scheme.label("samm", "Sadness", "here") == "negative"


@pytest.mark.parametrize("spelling", ["others", "Others", "Other", "other ", "OTHERS"])
def test_others_are_spelt_in_many_ways(spelling: str) -> None:
    assert SCHEMES["casme2-5"].label("casme2", spelling, "here") == "others"


def test_an_emotion_of_another_corpus_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"here: unknown label 'contempt' \(scheme megc2019-3 knows disgust, fear"):
        SCHEMES["megc2019-3"].label("casme2", "contempt", "here")


def test_a_corpus_that_a_scheme_is_not_made_for_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"scheme samm-5 has no rule for corpus smic \(only for samm\)"):
        SCHEMES["samm-5"].label("smic", "negative", "here")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_rule_leads_to_a_class_of_its_scheme(scheme: str) -> None:
    for rule in SCHEMES[scheme].rules.values():
        assert set(rule.values()) - {None} == set(SCHEMES[scheme].classes)


# --- corrections ---


def test_labels_of_2014_hold_under_megc2019_only() -> None:
    row = annotate("sub24", "EP07_01", "surprise")
    assert classify(row, SCHEMES["casme2-4"]) == (row, "surprise")
    corrected, label = classify(row, SCHEMES["megc2019-3"])
    assert (corrected.emotion, label) == ("sadness", None)
    assert corrected.notes[0].startswith("emotion surprise corrected to sadness: ")


def test_an_annotation_that_is_right_already_stays_as_it_is() -> None:
    row = annotate("sub24", "EP07_01", "sadness")
    assert classify(row, SCHEMES["megc2019-3"]) == (row, None)


def test_what_megc2019_excludes_is_kept_elsewhere() -> None:
    row = annotate("sub04", "EP12_01f", "disgust")
    assert classify(row, SCHEMES["casme2-4"])[1] == "disgust"
    excluded, label = classify(row, SCHEMES["megc2019-3"])
    assert label is None
    assert excluded.notes == ("EP12_01f: not in the composite of MEGC2019; the sheet gives no apex",)


def test_a_synthetic_clip_is_labelled_and_corrected_by_the_vocabulary_of_its_layout() -> None:
    row = annotate("sub24", "EP07_01", "surprise", corpus="demo")
    assert classify(row, SCHEMES["casme2-4"])[1] == "surprise"
    assert classify(row, SCHEMES["megc2019-3"])[1] is None


def test_every_correction_says_why_and_speaks_of_a_clip_once() -> None:
    clips = [(one.corpus, one.subject, one.clip, one.scheme) for one in (*PATCHES, *EXCLUSIONS)]
    assert len(set(clips)) == len(clips)
    assert all(one.reason for one in (*PATCHES, *EXCLUSIONS))
