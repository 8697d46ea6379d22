"""dvc.yaml agrees with params.yaml and with the digests of code."""

import subprocess
from typing import Any

import pytest
import yaml

from fakes import ROOT
from microfacial.pipeline.config import OPTIONAL
from microfacial.source_code import STAGES


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    return dict(content["stages"])


def test_every_required_section_of_params_yaml_belongs_to_the_stage_with_its_name(stages: dict[str, Any]) -> None:
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text())) - {"models", *OPTIONAL}
    assert sections == set(stages) - {"code"} == set(STAGES)
    assert all(section in stages[section]["params"] for section in sections)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_depends_on_the_digest_of_its_own_code(stage: str, stages: dict[str, Any]) -> None:
    name = "train-${item.model}" if stage == "train" else stage
    code = [path for path in stages[stage]["deps"] if "/code/" in path or path.startswith("src")]
    versions = ["results/${clips.name}/code/versions.txt"] if stage == "report" else []
    assert code == [f"results/${{clips.name}}/code/{name}.txt", *versions]


def test_the_stage_code_depends_on_the_whole_package(stages: dict[str, Any]) -> None:
    assert stages["code"]["deps"] == ["constraints.txt", "src/microfacial"]


def test_the_only_metric_is_the_small_file_and_the_other_scores_are_in_git(stages: dict[str, Any]) -> None:
    (metric,) = stages["report"]["metrics"]
    assert metric == {"results/${clips.name}/reports/metrics.json": {"cache": False}}
    assert {"results/${clips.name}/reports/scores.json": {"cache": False}} in stages["report"]["outs"]
    for name in ("results/demo/reports/scores.json", "dvc_plots/index.html"):
        done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False)
        assert done.returncode == (1 if name.endswith("scores.json") else 0)
