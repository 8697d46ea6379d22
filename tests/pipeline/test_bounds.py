"""Every number in every section of settings has finite bounds, and is refused beyond them before any work starts."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import microfacial
from fakes import ROOT, TINY_PARAMS
from microfacial.errors import ConfigError, MicrofacialError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.pipeline.config import load
from microfacial.settings import Section, check


def all_sections(base: type[Section] = Section) -> Iterator[type[Section]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("microfacial."):
            yield kind
        yield from all_sections(kind)


@cache
def properties(kind: type[Section]) -> dict[str, Any]:
    """Return the schema of each field of a section."""
    return dict(kind.model_json_schema()["properties"])


def numbers_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema of every number in a field: the field, one of its alternatives, or an item of its list."""
    if schema.get("type") in ("integer", "number") and "enum" not in schema:
        yield schema
    items = schema.get("items")
    nested = [*schema.get("anyOf", ()), *schema.get("prefixItems", ()), *([items] if isinstance(items, dict) else [])]
    for part in nested:
        yield from numbers_in(part)


def numeric_fields() -> list[tuple[type[Section], str]]:
    for module in pkgutil.walk_packages(microfacial.__path__, "microfacial."):
        if module.name not in ("microfacial.__main__", "microfacial.inference.serve"):
            importlib.import_module(module.name)
    return [
        (kind, name)
        for kind in sorted(set(all_sections()), key=lambda kind: kind.__qualname__)
        for name, field in properties(kind).items()
        if list(numbers_in(field))
    ]


FIELDS = numeric_fields()


def test_the_walk_finds_the_fields_of_all_packages() -> None:
    names = {f"{kind.__name__}.{name}" for kind, name in FIELDS}
    assert {
        "TrainConfig.seed",
        "StudyConfig.max_minutes",
        "ReportConfig.hardest_clips",
        "ClipsConfig.max_frame_gap",
        "FacesConfig.size_px",
        "FlowConfig.highpass_sigma_px",
        "Tvl1Settings.epsilon",
        "SpottingConfig.longest_s",
        "HybridSettings.width",
        "RoiCnnSettings.widths",
        "LinearSvmSettings.c_values",
        "RegistryConfig.size_ratio",
        "Tuned.trial",
    } <= names
    assert len(FIELDS) > 200


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_number_has_finite_bounds(kind: type[Section], name: str) -> None:
    for schema in numbers_in(properties(kind)[name]):
        assert "minimum" in schema or "exclusiveMinimum" in schema
        assert "maximum" in schema or "exclusiveMaximum" in schema


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 2**70, -(2**70)])
def test_every_number_beyond_its_bounds_is_refused_by_its_key(value: float) -> None:
    for kind, name in FIELDS:
        schema = properties(kind)[name]
        listed = schema.get("type") == "array"
        content = [value] * max(1, schema.get("minItems", 1)) if listed else value
        with pytest.raises(ConfigError, match=rf"\bfile\.{name}\b") as caught:
            check({name: content}, kind, "file")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("train.seed", 2**70),
        ("train.bootstrap_draws", 10**12),
        ("faces.size_px", 1_000_000),
        ("flow.highpass_sigma_px", 1e9),
        ("flow.variational.sor_iterations", 10**9),
        ("models.linear_svm.input_px", 100_000),
        ("models.roi_cnn.epochs", 10**10),
        ("models.linear_svm.c_values", [1e300]),
        ("report.hardest_clips", 10**10),
        ("study.trials", 10**10),
    ],
)
def test_an_absurd_number_in_params_yaml_is_refused_by_its_key(tmp_path: Path, place: str, value: object) -> None:
    content = yaml.safe_load(TINY_PARAMS)
    *levels, key = place.split(".")
    section = content
    for level in levels:
        section = section.setdefault(level, {})
    section[key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=re.escape(place)):
        load(path)


def test_a_list_nested_5000_deep_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"{TINY_PARAMS}\nstudy: {{fixed_parameters: {'[' * 5000}{']' * 5000}}}\n")
    with pytest.raises(ConfigError, match=rf"{path}: line 12: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_value_of_any_depth_is_shortened_in_messages() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ConfigError, match=r"file\.seed: ") as caught:
        check({"seed": deep}, TrainConfig, "file")
    assert len(str(caught.value)) < 300


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=5,
)
WHOLE = yaml.safe_load((ROOT / "params.yaml").read_text())


def places(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every section and key."""
    if path:
        yield path
    for key in content if isinstance(content, dict) else ():
        yield from places(content[key], (*path, key))


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("params") / "params.yaml"


def load_or_refuse(path: Path) -> None:
    message = ""
    try:
        load(path)
    except MicrofacialError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 3000


@given(place=st.sampled_from(list(places(WHOLE))), value=VALUES)
@settings(deadline=None, max_examples=25)
def test_any_value_of_any_key_is_accepted_or_refused_in_one_line(
    params: Path, place: tuple[str, ...], value: object
) -> None:
    *levels, key = place
    section = content = deepcopy(WHOLE)
    for level in levels:
        section = section[level]
    section[key] = value
    params.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8", errors="replace")
    load_or_refuse(params)


@given(start=st.floats(0, 1), length=st.integers(0, 40), new=st.one_of(st.binary(max_size=20), st.text(max_size=9)))
@settings(deadline=None, max_examples=30)
def test_any_bytes_in_params_yaml_are_accepted_or_refused_in_one_line(
    params: Path, start: float, length: int, new: bytes | str
) -> None:
    content = TINY_PARAMS.encode()
    place = int(start * len(content))
    changed = new.encode("utf-8", errors="replace") if isinstance(new, str) else new
    params.write_bytes(content[:place] + changed + content[place + length :])
    load_or_refuse(params)
