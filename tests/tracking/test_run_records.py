from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from microfacial import files
from microfacial.errors import StorageError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.models import MODELS
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.tracking.run_records import (
    UNKNOWN_METADATA,
    FlowDigest,
    RunIdentity,
    RunMetadata,
    read_identity,
    read_metadata,
    write_identity,
    write_metadata,
)

FOLD_FACTS = {"subject", "repeat", "fold_seed", "chosen"}


def identity_of(model: str, **flow: Any) -> RunIdentity:
    sections = {
        "train": TrainConfig(),
        "faces": FacesConfig(),
        "flow": FlowConfig(**flow),
        "model": MODELS[model].settings(),
    }
    return RunIdentity(
        key="k",
        dataset="d",
        scheme="s",
        model=model,
        corpora=("a", "b"),
        clips="cd" * 16,
        flow=FlowDigest(digest="ab" * 16, shape=(4, 5, 2, 8, 8), unit="px"),
        settings={name: section.model_dump(mode="json") for name, section in sections.items()},
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_of_a_model_is_a_parameter_of_its_own_name(model: str) -> None:
    identity = identity_of(model)
    own = set(identity.settings["model"])
    assert own <= identity.params.keys()
    assert not own & ({*identity.facts} | FOLD_FACTS)
    sections = {name for name in identity.params if name.partition(".")[0] in ("train", "faces", "flow")}
    assert {*identity.params} == own | {*identity.facts} | sections
    assert len(identity.params) + len(FOLD_FACTS) <= 100  # what MLflow takes at once


def test_of_flow_the_chosen_method_s_settings_are_parameters_and_no_other_s() -> None:
    names = {name for name in identity_of("majority", method="farneback").params if name.startswith("flow.")}
    assert "flow.farneback.levels" in names
    assert not {name for name in names if name.startswith(("flow.variational.", "flow.tvl1.", "flow.dis."))}


def test_a_parameter_that_mlflow_would_refuse_is_cut() -> None:
    identity = identity_of("majority")
    holdout = [f"casme2/sub{number:04d}" for number in range(1000)]
    longer = replace(
        identity, settings={**identity.settings, "train": {**identity.settings["train"], "holdout": holdout}}
    )
    assert len(longer.params["train.holdout"]) < 6000


def test_an_identity_comes_back_as_it_was(tmp_path: Path) -> None:
    identity = identity_of("hybrid")
    write_identity(tmp_path, identity)
    assert read_identity(tmp_path) == identity
    assert files.read_json(tmp_path / "settings.json")["models"] == {"hybrid": identity.settings["model"]}


@pytest.mark.parametrize("content", [{}, {"model": "majority"}, {"model": "majority", "flow": {"units": "px"}}])
def test_a_damaged_identity_is_told_with_its_folder(tmp_path: Path, content: dict[str, Any]) -> None:
    write_identity(tmp_path, identity_of("majority"))
    files.write_json(tmp_path / "run.json", content)
    with pytest.raises(StorageError, match=r"run\.json or settings\.json is damaged"):
        read_identity(tmp_path)


def test_circumstances_are_those_of_the_same_results_or_unknown(tmp_path: Path) -> None:
    identity, known = (
        identity_of("majority"),
        RunMetadata(tags={"a": "b"}, started_ms=1, ended_ms=2, seconds={"x": 0.5}),
    )
    write_metadata(tmp_path, identity, known)
    assert read_metadata(tmp_path, identity) == known
    assert read_metadata(tmp_path, replace(identity, key="other")) == UNKNOWN_METADATA
