"""Workflows and issue templates are valid YAML, and run commands and Pythons that exist."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from fakes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read_steps(path: Path) -> list[dict[str, str]]:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_tests_and_wheels_run_on_both_systems_with_every_supported_python() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert {*jobs} == {"test", "check", "slow", "docs", "wheel", "pins", "audit", "services"}
    supported = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith("Programming Language")]
    for job in ("test", "wheel"):
        matrix = jobs[job]["strategy"]["matrix"]
        assert matrix["python"] == supported
        assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_is_one_action_or_one_command_that_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)) | {"docs"}
    for step in read_steps(path):
        assert ("uses" in step) != ("run" in step)
        for target in re.findall(r"make (?:PYTHON=python )?([a-z-]+)", step.get("run", "")):
            assert target in targets
        for script in re.findall(r"(?:^|\s)(\.ci/\S+|tests/\S+\.py)", step.get("run", "")):
            assert (ROOT / script).is_file()
            assert script.endswith(".py") or os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_few_rights_and_a_limit_of_time(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"}
    assert True in content  # YAML 1.1 reads the key `on` as true
    assert all(job["timeout-minutes"] <= 60 for job in content["jobs"].values())


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_ask_questions_with_different_ids(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))


def test_hooks_run_programs_of_the_environment_and_let_every_present_file_pass() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    development = " ".join(PROJECT["optional-dependencies"]["dev"])
    assert all(name in development for name in ("ruff", "import-linter", "pre-commit"))
    refused = re.compile(hooks["no-frames"]["files"])
    allowed = re.compile(hooks["no-frames"]["exclude"])
    folders = ("src", "tests", "docs", "benchmarks", "tools")
    present = [path.relative_to(ROOT).as_posix() for name in folders for path in (ROOT / name).rglob("*.*")]
    assert [path for path in present if refused.search(path) and not allowed.search(path)] == []


def test_the_version_is_the_same_everywhere() -> None:
    (version,) = re.findall(r'^__version__ = "(.+)"$', (ROOT / "src/microfacial/__init__.py").read_text(), flags=re.M)
    assert version == "0.2.0"
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
