"""Counts of clips in MEGC2019 were published. Counts of emotions are from the sheets."""

from collections import Counter
from dataclasses import replace

import pytest

from census import CASME2_2014, CASME2_2019
from microfacial.datasets.annotations import Annotation
from microfacial.datasets.clips import classify, correct
from microfacial.datasets.corrections import CORRECTIONS, DISAGREEMENTS, EXCLUSIONS, Correction
from microfacial.datasets.label_schemes import SCHEMES

CASME2_NAMED = {  # clips with a correction or an exclusion, with their emotion in the sheet of 2019
    ("sub04", "EP12_01f"): "disgust",
    ("sub05", "EP09_05f"): "disgust",
    ("sub24", "EP07_01"): "surprise",
    ("sub24", "EP07_04f"): "surprise",
    ("sub24", "EP10_03"): "surprise",
}


def annotate(subject: str, name: str, emotion: str, corpus: str = "", vocabulary: str = "casme2") -> Annotation:
    return Annotation(
        corpus=corpus or vocabulary,
        vocabulary=vocabulary,
        subject=subject,
        name=name,
        emotion=emotion,
        action_units="",
        onset=1,
        apex=2,
        offset=3,
        fps=200.0,
    )


def casme2_sheet(emotions: dict[str, int], named: dict[tuple[str, str], str]) -> list[Annotation]:
    """Return rows with the emotions of the sheet. The named clips are among them."""
    unnamed = Counter(emotions) - Counter(named.values())
    rows = [annotate(subject, name, emotion) for (subject, name), emotion in named.items()]
    return rows + [annotate("sub01", f"clip{number}", emotion) for number, emotion in enumerate(unnamed.elements())]


@pytest.mark.parametrize("year", [2014, 2019])
@pytest.mark.parametrize("with_the_unpublished_clip", [False, True])
def test_casme2_has_145_clips_in_megc2019_with_either_sheet(year: int, with_the_unpublished_clip: bool) -> None:
    emotions, named = dict(CASME2_2019), dict(CASME2_NAMED)
    if year == 2014:
        emotions = dict(CASME2_2014)
        named = {clip: "sadness" if emotion == "surprise" else emotion for clip, emotion in named.items()}
    if with_the_unpublished_clip:
        emotions["disgust"] += 1
        named["sub24", "EP02_07"] = "disgust"
    labels = Counter(classify(row, SCHEMES["megc2019-3"])[1] for row in casme2_sheet(emotions, named))
    del labels[None]
    assert labels == {"negative": 88, "positive": 32, "surprise": 25}


def test_the_labels_of_2014_apply_under_megc2019_only() -> None:
    row = annotate("sub24", "EP07_01", "surprise")
    assert classify(row, SCHEMES["casme2-4"]) == (row, "surprise")
    corrected, label = classify(row, SCHEMES["megc2019-3"])
    assert (corrected.emotion, label) == ("sadness", None)
    assert corrected.notes[0].startswith("emotion surprise corrected to sadness: ")


def test_a_correct_annotation_stays_unchanged() -> None:
    row = annotate("sub24", "EP07_01", "sadness")
    assert classify(row, SCHEMES["megc2019-3"]) == (row, None)


def test_a_clip_that_megc2019_excludes_is_kept_by_other_schemes() -> None:
    row = annotate("sub04", "EP12_01f", "disgust")
    assert classify(row, SCHEMES["casme2-4"])[1] == "disgust"
    excluded, label = classify(row, SCHEMES["megc2019-3"])
    assert label is None
    assert excluded.notes == ("EP12_01f: not in the composite of MEGC2019; the sheet gives no apex",)


def test_a_synthetic_clip_is_labelled_and_corrected_by_its_vocabulary() -> None:
    row = annotate("sub24", "EP07_01", "surprise", corpus="demo")
    assert classify(row, SCHEMES["casme2-4"])[1] == "surprise"
    assert classify(row, SCHEMES["megc2019-3"])[1] is None


def test_every_correction_has_a_reason_a_source_and_a_value_of_its_own() -> None:
    values = [(entry.corpus, entry.subject, entry.clip, entry.scheme, entry.field) for entry in CORRECTIONS]
    clips = [(entry.corpus, entry.subject, entry.clip, entry.scheme) for entry in EXCLUSIONS]
    for entries in (values, clips):
        assert len(set(entries)) == len(entries)
    assert all(entry.reason for entry in (*CORRECTIONS, *EXCLUSIONS))
    assert all(entry.source for entry in (*CORRECTIONS, *DISAGREEMENTS))
    assert all(entry.wrong is None or type(entry.wrong) is type(entry.right) for entry in CORRECTIONS)


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda entry: f"{entry.subject} {entry.clip} {entry.field}")
def test_every_correction_applies_to_the_wrong_value_only(correction: Correction) -> None:
    row = annotate(correction.subject, correction.clip.replace("*", "9"), "others", vocabulary=correction.corpus)
    published = row.offset + 1 if correction.wrong is None else correction.wrong
    wrong = replace(row, **{correction.field: published})  # type: ignore[arg-type]
    corrected = correct(wrong, correction.scheme or "")
    assert getattr(corrected, correction.field) == correction.right
    note = correction.describe(published)
    assert note in corrected.notes
    assert "; " not in note  # it separates notes
    assert correct(row, correction.scheme or "") == row


@pytest.mark.parametrize(
    ("clip", "numbers"), [("028_4_1", (1105, 1124)), ("032_3_1", (4945, 4930)), ("032_3_2", (5127, 5130))]
)
def test_the_notes_of_a_clip_have_all_values_of_public_tables(clip: str, numbers: tuple[int, int]) -> None:
    wrong = {entry.clip: entry.wrong for entry in CORRECTIONS}.get(clip, 5127)
    row = replace(annotate(clip[:3], clip, "others", vocabulary="samm"), apex=wrong)  # type: ignore[arg-type]
    (note,) = correct(row, "").notes
    assert all(str(number) in note for number in numbers)
