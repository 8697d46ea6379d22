"""Optional packages: no core module imports them, every import is declared, and a missing package gives one line."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from command_line import run
from fakes import ROOT
from microfacial.errors import MissingExtraError
from microfacial.pipeline.extras import EXTRAS, explain_missing_extras, require_extras
from microfacial.source_code import PACKAGE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEED_EXTRAS = {
    "inference.film_workers",
    "inference.serve",
    "pipeline.commands.lineage",
    "pipeline.commands.promote",
    "pipeline.commands.register",
    "pipeline.commands.rollback",
    "pipeline.commands.serve",
    "pipeline.commands.study",
    "pipeline.commands.study_apply",
    "pipeline.commands.sync",
    "pipeline.data_digest",
}
"""Modules outside of the optional packages that import an extra, directly or through others, when they are imported."""

OPTIONAL_PACKAGES = ("cluster", "registry", "serving", "tracking", "tuning")


def module_names() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def read_tree(module: str) -> ast.Module:
    path = PACKAGE / module.replace(".", "/")
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


def statements_at_import(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported. The bodies of functions and of `if TYPE_CHECKING` do not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from statements_at_import(child)


def imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_at_import(module: str) -> set[str]:
    """Names that a module imports when it is imported, and the packages that it lies in."""
    parents = {f"microfacial.{module.rsplit('.', depth)[0]}" for depth in range(1, module.count(".") + 1)}
    return parents.union(*map(imported_names, statements_at_import(read_tree(module))))


def modules_that_import(packages: Collection[str]) -> set[str]:
    """Modules whose import imports one of some packages, directly or through other modules."""
    imports = {module: imports_at_import(module) for module in module_names()}
    needing = {
        module
        for module, names in imports.items()
        if not {name.partition(".")[0] for name in names}.isdisjoint(packages)
    }
    while True:
        targets = {f"microfacial.{module}" for module in needing}
        more = {module for module, names in imports.items() if names & targets} - needing
        if not more:
            return needing
        needing |= more


def test_no_core_module_imports_an_optional_package_at_import_time() -> None:
    needing = modules_that_import(EXTRAS)
    assert "tracking.store" in needing
    assert {name for name in needing if name.split(".")[0] not in OPTIONAL_PACKAGES} == NEED_EXTRAS


def test_no_module_outside_of_the_cluster_imports_dask_at_import_time() -> None:
    """Commands that run tasks start quickly if no cluster is chosen."""
    importing = modules_that_import(("dask", "dask_jobqueue", "distributed"))
    assert importing
    assert {name for name in importing if not name.startswith("cluster.")} == set()


def test_every_imported_package_is_a_requirement_or_belongs_to_an_extra() -> None:
    roots = {
        name.partition(".")[0]
        for module in module_names()
        for node in ast.walk(read_tree(module))
        for name in imported_names(node)
    } - {*sys.stdlib_module_names, "microfacial"}
    distributions = {"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "skimage": "scikit-image"}
    distributions |= {"ruamel": "ruamel-yaml", "pydantic_core": "pydantic", "PIL": "pillow"}
    required = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert {distributions.get(root, root) for root in roots - EXTRAS.keys()} <= required


def test_the_extras_of_the_package_are_the_extras_that_messages_name() -> None:
    optional = PROJECT["optional-dependencies"]
    assert {*optional} == {*EXTRAS.values(), "all", "docs", "dev"}
    assert optional["all"] == [f"microfacial[{','.join(('tracking', 'pipeline', 'tuning', 'serve'))}]"]
    named = {Requirement(line).name.replace("-", "_"): extra for extra in EXTRAS.values() for line in optional[extra]}
    assert named.items() <= EXTRAS.items()


def test_the_python_versions_are_those_of_the_classifiers() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith("Programming Language")]
    assert versions == ["3.11", "3.12", "3.13"]


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_failed_import_of_an_extra_names_its_installation() -> None:
    with pytest.raises(MissingExtraError) as caught, explain_missing_extras():
        raise ModuleNotFoundError("No module named 'mlflow.entities'", name="mlflow.entities")
    assert 'pip install "microfacial[tracking]"' in str(caught.value)


@pytest.mark.parametrize("name", ["numpy", "microfacial.nothing", None])
def test_another_failed_import_is_not_translated(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError), explain_missing_extras():
        raise ModuleNotFoundError("No module", name=name)


def test_all_missing_extras_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dvc", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        require_extras("dvc", "mlflow", "optuna")
    assert 'pip install "microfacial[pipeline,tracking]"' in str(caught.value)


@pytest.mark.parametrize(
    ("command", "modules", "extras"),
    [
        ("repro", ["dvc", "mlflow"], "pipeline,tracking"),
        ("study roi_cnn", ["mlflow", "optuna"], "tracking,tuning"),
        ("train roi_cnn", ["mlflow"], "tracking"),
        ("ui", ["mlflow"], "tracking"),
        ("init other", ["dvc"], "pipeline"),
        ("serve", ["fastapi"], "serve"),
        ("app", ["pebble", "uvicorn"], "serve"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_command_checks_its_extras_before_it_starts(
    command: str,
    modules: list[str],
    extras: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    assert run(monkeypatch, *command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("microfacial: ")
    assert f'pip install "microfacial[{extras}]"' in line


def test_doctor_lists_the_extras_that_are_not_installed(
    project: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ['numpy>=2; python_version >= "3"', 'optuna>=1; extra == "tuning"', 'not-there>=1; extra == "tracking"']
    monkeypatch.setattr(metadata, "requires", lambda _: lines)
    monkeypatch.setitem(sys.modules, "dvc", None)
    run(monkeypatch, "doctor")
    output = capsys.readouterr().out
    assert "ok   packages: Python 3." in output
    assert "2 requirements. Not installed: tracking (" in output
    assert 'FAIL data version: dvc is not installed. Run `pip install "microfacial[pipeline]"`' in output


# --- speed ------------------------------------------------------------------------------------------------------------


def test_the_command_line_imports_only_click() -> None:
    code = "import sys; from microfacial.pipeline import cli; print({*map(str.lower, sys.modules)})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "pydantic", "torch", "cv2", "ruamel", "jinja2", "psutil", "rich", *EXTRAS}
    assert {name for name in ast.literal_eval(done.stdout) if name in heavy} == set()
