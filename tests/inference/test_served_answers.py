"""The row about a clip of a served version: which movement it is about, maps, and the name of the version."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fake_bundles import Settings, write_fitted_bundle
from microfacial.errors import StorageError
from microfacial.evaluation.experiment import Data
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.bundle import BUNDLE
from microfacial.inference.example_input import make_example_map
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.inference.request import read_request
from microfacial.inference.served_answers import answer_served_clip, find_strongest_event, open_served_version


def make_event(label: str | None, score: float | None) -> Event:
    reason = None if label else "the head moves too far"
    made = Event(person=1, onset=1, apex=2, offset=3, onset_s=0.0, apex_s=0.1, offset_s=0.2, score=score, kind="micro")
    return replace(made, label=label, abstained=reason)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([("a", None)], 0),
        ([(None, 0.6), (None, 0.9)], 1),
        ([(None, 0.9), ("a", 0.6), ("b", 0.7)], 2),
        ([("a", 0.7), ("b", 0.7)], 0),
    ],
)
def test_the_strongest_recognised_movement_gives_the_label(
    model: AnsweringModel, events: list[tuple[str | None, float | None]], expected: int | None
) -> None:
    made = tuple(make_event(*event) for event in events)
    answer = FilmAnswer(source="film", model=model.note, fps=40.0, frames=9, seconds=0.2, events=made)
    strongest = find_strongest_event(answer)
    assert strongest is (None if expected is None else made[expected])


@pytest.mark.parametrize("content", ["model_name: a", "- 1", "a: [", ""])
def test_a_damaged_name_of_a_version_is_refused(version: Path, tmp_path: Path, content: str) -> None:
    folder = Path(shutil.copytree(version, tmp_path / "version"))
    (folder / "registered_model_meta").write_text(content)
    with pytest.raises(StorageError, match="registered_model_meta"):
        open_served_version(folder)


def test_a_version_without_a_name_is_named_after_its_folder_alone(version: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(version, tmp_path / "copy"))
    (folder / "registered_model_meta").unlink()
    assert open_served_version(folder).note.version == "bundle copy"


def test_a_model_of_published_maps_answers_a_map(tmp_path: Path, data: Data, settings: Settings) -> None:
    folder = tmp_path / "maps" / BUNDLE
    folder.parent.mkdir(parents=True)
    write_fitted_bundle(folder, "majority", data, settings)
    facts = json.loads((folder / "bundle.json").read_text())
    faces = {"method": "whole", "regions": "grid-28", "size_px": 28}
    facts["trained_with"] |= {"faces": faces, "flow": {"method": "published"}}
    (folder / "SHA256SUMS").unlink()  # as in bundles of earlier releases
    (folder / "bundle.json").write_text(json.dumps({name: facts[name] for name in facts if name != "digests"}))
    (row,) = answer_served_clip(read_request(make_example_map(), tmp_path), open_served_version(tmp_path / "maps"))
    assert sum(row["probabilities"].values()) == pytest.approx(1.0)
    assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
    assert [event["kind"] for event in row["answer"]["events"]] == ["map"]
