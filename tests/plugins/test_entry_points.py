"""Models and corpora of other installed packages, and packages that are broken."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import microfacial as mf
from microfacial import plugins
from microfacial.api.features import Features
from microfacial.datasets import ClipsConfig, find_dataset, find_scheme, list_clips
from microfacial.errors import ConfigError
from microfacial.models.lookup import find_model, list_models
from microfacial.models.presets import resolve
from microfacial.pipeline.config import load
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.code import run_code
from microfacial.settings import check
from microfacial.source_code import code_digest

MODULE = """
from microfacial.datasets import Dataset
from microfacial.datasets.casme2 import open_casme2
from microfacial.datasets.label_schemes import Scheme
from microfacial.models.mlp import MLP

SCHEME = Scheme("two", ("happiness", "rest"), {"casme2": {
    "happiness": "happiness", "disgust": "rest", "surprise": "rest", "repression": "rest", "others": None}})
PILOT = Dataset("demo", open_casme2, (SCHEME,))
NUMBER = 3
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package with a module and entry points, as pip would."""

    def write(name: str, models: str = "", datasets: str = "", module: str = MODULE) -> Path:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[microfacial.models]\n{models}\n[microfacial.datasets]\n{datasets}\n")
        (site / f"{name}.py").write_text(module)
        monkeypatch.syspath_prepend(site)
        plugins._entry_points.cache_clear()
        return site / f"{name}.py"

    yield write
    plugins._entry_points.cache_clear()


def test_a_model_of_another_package_can_be_named_everywhere(
    install: Install, features: Features, project: Path
) -> None:
    path = install("others_models", models="perceptron = others_models:MLP")
    assert list_models()[-1] == "perceptron"
    assert find_model("perceptron") is find_model("mlp")
    assert resolve("perceptron", {"epochs": 2}, "x").model_dump()["epochs"] == 2
    settings = {"input_px": 8, "epochs": 1}
    result, own = (
        mf.evaluate(name, features, settings=settings, validation_folds=3, processes=1, progress=False)
        for name in ("perceptron", "mlp")
    )
    assert (result.predictions.probabilities == own.predictions.probabilities).all()
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("  majority: {}\n", "  majority: {}\n  perceptron: {}\n"))
    assert "perceptron" in load(params).models
    run_code(open_project())
    manifest = (project / "results" / "tiny" / "code" / "train-perceptron.txt").read_text()
    assert "others_models 1.2 others_models.py" in manifest
    before = code_digest("train", "perceptron")
    path.write_text(MODULE + "MORE = 1\n")
    assert code_digest("train", "perceptron") != before


def test_a_corpus_of_another_package_brings_its_scheme(install: Install, tiny_demo: Path) -> None:
    install("others_corpora", datasets="pilot = others_corpora:PILOT")
    assert find_dataset("pilot").folder == "demo"
    assert find_scheme("two").classes == ("happiness", "rest")
    content = {"name": "p", "root": str(tiny_demo.parent), "corpora": ["pilot"], "scheme": "two"}
    listed = list_clips(check(content, ClipsConfig, "clips")).clips
    loaded = mf.load_corpus("pilot", tiny_demo, scheme="two", progress=False)
    assert [clip.id for clip in loaded] == [clip.id for clip in listed]
    assert {clip.label for clip in loaded} == {"happiness", "rest"}


def test_unknown_names_list_what_is_available(install: Install) -> None:
    install("others_lists", models="perceptron = others_lists:MLP", datasets="pilot = others_lists:PILOT")
    with pytest.raises(ConfigError, match=r"precept.*hybrid.*perceptron"):
        find_model("precept")
    with pytest.raises(ConfigError, match=r"clips\.corpora\.0.*pilto.*casme2.*pilot"):
        check({"name": "p", "root": "d", "corpora": ["pilto"], "scheme": "two"}, ClipsConfig, "clips")
    with pytest.raises(ConfigError, match=r"clips\.scheme.*tow.*casme2-5.*two"):
        check({"name": "p", "root": "d", "corpora": ["pilot"], "scheme": "tow"}, ClipsConfig, "clips")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("broken = no_such_module:X", "ModuleNotFoundError"),
        ("broken = broken_plugin:Missing", "Missing"),
        ("broken = broken_plugin:NUMBER", "is a int, not a Estimator or Network"),
        ("mlp = broken_plugin:MLP", "part of microfacial"),
        ("../broken = broken_plugin:MLP", "other characters"),
    ],
)
def test_a_broken_entry_point_gives_one_line_with_its_package(install: Install, entry: str, named: str) -> None:
    install("broken_plugin", models=entry)
    with pytest.raises(ConfigError, match=f"broken_plugin 1.2.*{named}") as raised:
        find_model(entry.partition(" ")[0])
    assert "\n" not in str(raised.value)
    assert find_model("majority")  # other models still work


def test_a_module_that_fails_on_import_gives_one_line(install: Install) -> None:
    install("failing_plugin", models="fails = failing_plugin:X", module="1 / 0")
    with pytest.raises(ConfigError, match=r"failing_plugin 1.2.*ZeroDivisionError"):
        find_model("fails")


def test_two_packages_cannot_offer_the_same_name(install: Install) -> None:
    install("first_plugin", models="same = first_plugin:MLP")
    install("second_plugin", models="same = second_plugin:MLP")
    with pytest.raises(ConfigError, match=r"first_plugin.*second_plugin|second_plugin.*first_plugin"):
        find_model("same")


def test_importing_the_package_does_not_look_for_entry_points() -> None:
    code = "import sys, microfacial; print('microfacial.plugins' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
