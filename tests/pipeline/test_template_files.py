"""Files of a new project: the checkout has the same, and every choice of corpora gives valid settings."""

import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from fakes import ROOT
from microfacial.datasets import DATASETS
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.errors import ConfigError
from microfacial.pipeline.config import load
from microfacial.pipeline.template_files import (
    check_corpora,
    choose_settings,
    read_template,
    render_params,
    render_pipeline,
)

SINGLE = {
    "4dme": ("4dme-5", "loso"),
    "casme": ("casme-4", "loso"),
    "casme2": ("casme2-5", "loso"),
    "casme3": ("casme3-4", "loso"),
    "casme3_c": ("casme3-4", "loso"),
    "casme_sq": ("casme_sq-4", "loso"),
    "demo": ("casme2-4", "loso"),
    "dfme": ("dfme-7", "loso"),
    "flow_maps": ("megc2019-3", "composite"),
    "mmew": ("mmew-4", "loso"),
    "samm": ("samm-5", "loso"),
    "samm_lv": ("samm-5", "loso"),
    "smic_e_hs": ("megc2019-3", "loso"),
    "smic_e_nir": ("megc2019-3", "loso"),
    "smic_e_vis": ("megc2019-3", "loso"),
    "smic_hs": ("megc2019-3", "loso"),
    "smic_nir": ("megc2019-3", "loso"),
    "smic_vis": ("megc2019-3", "loso"),
}
"""Scheme and protocol of a project on one corpus."""
FAMILIES = {
    "demo": "casme2",
    "casme3_c": "casme3",
    "samm_lv": "samm",
    **{name: "smic" for name in DATASETS if name.startswith("smic")},
}
OWN_SCHEME = {"4dme", "casme", "casme3", "casme_sq", "dfme", "mmew"}  # corpora that no scheme joins with another one


def test_the_settings_of_the_checkout_are_those_of_a_project_on_the_demo() -> None:
    """Copy an edit of one of the files into the other. A local edit of params.yaml does not count."""
    committed = subprocess.run(
        ["git", "show", "HEAD:params.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert committed == render_params(choose_settings(["demo"]))


def test_the_pipeline_of_the_checkout_comes_from_the_template() -> None:
    assert (ROOT / "dvc.yaml").read_text() == render_pipeline(sources=True)


def test_the_pipelines_differ_in_the_dependencies_of_the_stage_code_only() -> None:
    checkout, project = (yaml.safe_load(render_pipeline(sources=sources)) for sources in (True, False))
    code = project["stages"].pop("code")
    assert code["always_changed"] is True
    assert "deps" not in code
    assert checkout["stages"].pop("code")["outs"] == code["outs"]
    assert checkout == project


@pytest.mark.parametrize(
    ("file", "template"),
    [(".gitignore", "gitignore"), (".dvcignore", "dvcignore"), ("mlruns/.gitignore", "mlruns-gitignore")],
)
def test_the_checkout_ignores_all_files_that_a_project_ignores(file: str, template: str) -> None:
    lines = {line for line in read_template(template).splitlines() if line and not line.startswith("#")}
    assert lines <= set((ROOT / file).read_text().splitlines())


def test_the_makefile_has_three_lines() -> None:
    assert read_template("Makefile").splitlines() == [".PHONY: repro", "repro:", "\t@microfacial repro"]


@pytest.mark.parametrize("corpus", DATASETS)
def test_a_project_on_one_corpus_has_valid_settings_and_the_usual_scheme(corpus: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(render_params(choose_settings([corpus])))
    config = load(tmp_path / "params.yaml")
    assert config.clips.corpora == (corpus,)
    assert (config.clips.scheme, config.train.protocol) == SINGLE[corpus]
    assert ("rgb" in config.models) == (corpus != "flow_maps")
    assert (config.flow.method == "published") == (corpus == "flow_maps")
    assert config.clips.missing_apex == ("spotted" if corpus.startswith(("casme3", "smic_")) else "midpoint")


def test_a_project_on_the_composite_has_its_scheme_and_protocol(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(render_params(choose_settings(["casme2", "samm", "smic_hs"])))
    config = load(tmp_path / "params.yaml")
    assert (config.clips.name, config.clips.scheme) == ("casme2-samm-smic_hs", "megc2019-3")
    assert config.train.protocol == "composite"


def test_two_corpora_have_a_scheme_with_rules_for_both_or_are_refused() -> None:
    for pair in combinations(DATASETS, 2):
        families = {FAMILIES.get(name, name) for name in pair}
        if "flow_maps" in pair or (families & OWN_SCHEME and len(families) > 1):
            with pytest.raises(ConfigError, match="|".join(pair)):
                choose_settings(pair)
        else:
            assert families <= SCHEMES[choose_settings(pair).clips["scheme"]].rules.keys()


def test_an_unknown_corpus_is_refused_and_a_repetition_is_dropped() -> None:
    with pytest.raises(ConfigError, match="casme4"):
        check_corpora(["casme2", "casme4"])
    assert check_corpora(["samm", "casme2", "samm"]) == ("samm", "casme2")
