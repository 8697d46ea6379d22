"""The text of the model card. `test_registration` compares its numbers with the measured ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from fake_versions import NAME, clips_of, folder_of
from microfacial.evaluation.result_files import read_evaluation
from microfacial.inference.bundle import CARD
from microfacial.records import SYNTHETIC, Evaluation
from microfacial.registry.evidence import UntunedScore
from microfacial.registry.model_card import CardFacts, write_card
from microfacial.tracking.store import connect

FACTS = CardFacts(
    model="roi_cnn",
    dataset="d",
    scheme="s",
    bundle="refit",
    tuned_on=("casme2/sub01", "casme2/sub02"),
    study="first",
    untuned=UntunedScore(uf1=0.4321, subjects=2, clips=6),
    versions={"commit": "abc"},
)


@pytest.fixture
def evaluation(computed_models: Path) -> Evaluation:
    return read_evaluation(computed_models / "results/tiny/train/roi_cnn")


def test_the_card_names_forbidden_uses_and_is_the_description_of_the_version(svm_place: Path) -> None:
    card = (folder_of(svm_place) / CARD).read_text()
    assert SYNTHETIC in card
    assert "**no lie detector**" in card.replace("\n", " ")
    for word in ("hiring", "border", "court", "public-domain photograph", "commit", "trained on every subject"):
        assert word in card
    description = connect(svm_place).get_model_version(NAME, "1").description
    assert description == card
    assert len(description) < 5000  # every database accepts this length


def test_the_card_gives_the_score_on_untuned_subjects(computed_models: Path, evaluation: Evaluation) -> None:
    clips = [replace(clip, corpus="casme2") for clip in clips_of(computed_models)]
    card = write_card(FACTS, evaluation, clips, None)
    assert "On the 2 subjects that the study did not use (6 clips), UF1 is 0.432." in card
    assert "do not pass on frames" in card
    assert "Against" not in card


def test_the_card_tells_if_the_study_used_every_subject(computed_models: Path, evaluation: Evaluation) -> None:
    card = write_card(replace(FACTS, untuned=None), evaluation, clips_of(computed_models), None)
    assert "The study used every subject of the evaluation." in card


def test_the_card_gives_the_standard_deviation_over_repetitions(computed_models: Path, evaluation: Evaluation) -> None:
    repeated = replace(evaluation, repeats=3, uf1_sd=0.0123, uar_sd=0.0456)
    card = write_card(replace(FACTS, bundle="ensemble"), repeated, clips_of(computed_models), None)
    assert "3 repetitions" in card
    assert "UF1 0.012, UAR 0.046" in card
