import re
import shutil
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


def make_identity(model: str, **flow: Any) -> RunIdentity:
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
def test_every_setting_of_a_model_is_a_parameter_of_the_same_name(model: str) -> None:
    identity = make_identity(model)
    names = set(identity.settings["model"])
    assert names <= identity.params.keys()
    assert not names & ({*identity.facts} | FOLD_FACTS)
    sections = {name for name in identity.params if name.partition(".")[0] in ("train", "faces", "flow")}
    assert {*identity.params} == names | {*identity.facts} | sections
    assert len(identity.params) + len(FOLD_FACTS) <= 100  # MLflow's limit per call


def test_the_digest_of_the_motion_prior_is_a_fact_of_a_model_that_uses_it(tmp_path: Path) -> None:
    without = make_identity("mlp")
    identity = replace(without, motion_prior="ab" * 32)
    assert "motion_prior" not in without.facts
    assert identity.facts == {**without.facts, "motion_prior": "ab" * 32}
    assert identity.params["motion_prior"] == "ab" * 32
    write_identity(tmp_path / "mlp", identity)
    assert read_identity(tmp_path / "mlp").motion_prior == "ab" * 32


def test_an_identity_of_an_earlier_version_has_no_motion_prior(tmp_path: Path) -> None:
    folder = tmp_path / "mlp"
    write_identity(folder, make_identity("mlp"))
    content = files.read_json(folder / "run.json")
    del content["motion_prior"]
    files.write_json(folder / "run.json", content)
    assert read_identity(folder).motion_prior == ""


def test_only_the_settings_of_the_chosen_flow_method_are_parameters() -> None:
    names = {name for name in make_identity("majority", method="farneback").params if name.startswith("flow.")}
    assert "flow.farneback.levels" in names
    assert not {name for name in names if name.startswith(("flow.variational.", "flow.tvl1.", "flow.dis."))}


def test_a_parameter_longer_than_the_limit_of_mlflow_is_cut() -> None:
    identity = make_identity("majority")
    holdout = [f"casme2/sub{number:04d}" for number in range(1000)]
    longer = replace(
        identity, settings={**identity.settings, "train": {**identity.settings["train"], "holdout": holdout}}
    )
    assert len(longer.params["train.holdout"]) < 6000


def test_an_identity_is_read_as_it_was_written(tmp_path: Path) -> None:
    identity = make_identity("hybrid")
    write_identity(tmp_path / "hybrid", identity)
    assert read_identity(tmp_path / "hybrid") == identity
    assert files.read_json(tmp_path / "hybrid" / "settings.json")["models"] == {"hybrid": identity.settings["model"]}


@pytest.mark.parametrize("content", [{}, {"model": "majority"}, {"model": "majority", "flow": {"units": "px"}}])
def test_the_error_for_a_damaged_identity_names_its_folder(tmp_path: Path, content: dict[str, Any]) -> None:
    folder = tmp_path / "majority"
    write_identity(folder, make_identity("majority"))
    files.write_json(folder / "run.json", content)
    with pytest.raises(StorageError, match=rf"{re.escape(str(folder))}.*run\.json.*dvc repro"):
        read_identity(folder)


def test_an_identity_of_another_model_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    for model in ("majority", "mlp"):
        write_identity(tmp_path / model, make_identity(model))
    path = Path(shutil.copy(tmp_path / "mlp" / "run.json", tmp_path / "majority"))
    with pytest.raises(StorageError, match=rf"{re.escape(str(path))}.*mlp.*majority"):
        read_identity(tmp_path / "majority")


def test_metadata_of_other_results_is_unknown(tmp_path: Path) -> None:
    identity, metadata = (
        make_identity("majority"),
        RunMetadata(tags={"a": "b"}, started_ms=1, ended_ms=2, seconds={"x": 0.5}),
    )
    write_metadata(tmp_path, identity, metadata)
    assert read_metadata(tmp_path, identity) == metadata
    assert read_metadata(tmp_path, replace(identity, key="other")) == UNKNOWN_METADATA
