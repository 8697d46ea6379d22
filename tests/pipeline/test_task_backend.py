"""The settings of the place where tasks run. tests/slow/test_cluster.py runs tasks on real workers."""

import sys
from pathlib import Path

import pytest
import yaml
from joblib.parallel import get_active_backend

from fakes import ROOT, TINY_PARAMS
from microfacial.cluster.settings import RunConfig
from microfacial.errors import ConfigError, MissingExtraError
from microfacial.pipeline.config import load
from microfacial.pipeline.task_backend import chosen_backend, read_run_config
from microfacial.settings import check


@pytest.mark.parametrize(
    "content",
    [
        {"backend": "ray"},
        {"scheduler": "slurm2"},
        {"scheduler": "http://host:8786"},
        {"scheduler": "tcp://host"},
        {"scheduler": "tcp://host:8786/path"},
        {"wait_minutes": 0},
        {"slurm": {"jobs": 0}},
        {"slurm": {"memory_gb": float("inf")}},
        {"slurm": {"directives": "--gres=gpu:1"}},
        {"slurm": {"queue": "short"}},
    ],
)
def test_a_wrong_setting_is_named(content: dict[str, object]) -> None:
    (key,) = content
    inner = content[key]
    name = f"{key}.{next(iter(inner))}" if isinstance(inner, dict) else key
    with pytest.raises(ConfigError, match=rf"params\.yaml: run\.{name}"):
        check(content, RunConfig, "params.yaml: run")


@pytest.mark.parametrize("scheduler", ["local", "slurm", "tcp://10.0.0.1:8786", "tls://[::1]:8786", "tcp://host-1:1"])
def test_a_place_is_accepted(scheduler: str) -> None:
    assert check({"scheduler": scheduler}, RunConfig, "run").scheduler == scheduler


def test_the_committed_settings_are_the_defaults() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())["run"]
    assert check(content, RunConfig, "run") == RunConfig()


def test_without_a_project_tasks_run_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = type(get_active_backend()[0])
    with chosen_backend(read_run_config(), 1):
        assert type(get_active_backend()[0]) is before


def test_dask_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    config = RunConfig(backend="dask")
    with pytest.raises(MissingExtraError, match=r"microfacial\[cluster\]"), chosen_backend(config, 1):
        raise AssertionError


def test_the_oracle_is_refused_on_dask(tmp_path: Path) -> None:
    content = yaml.safe_load(TINY_PARAMS)
    content |= {"train": {**content["train"], "oracle": True}, "run": {"backend": "dask"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"train\.oracle"):
        load(tmp_path / "params.yaml")
