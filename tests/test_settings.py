"""Keys that have been renamed are refused in params.yaml and accepted in stored settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest
from pydantic import Field

from microfacial.errors import ConfigError
from microfacial.settings import Section, check, read_sections, with_current_keys


class Base(Section):
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"old": "new"})

    new: int = 0


class Extended(Base):
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"former": "present"})

    present: int = 0


class Listed(Section):
    values: tuple[float, ...] = Field(min_length=1, strict=False)


@pytest.mark.parametrize(("old", "new"), [("old", "new"), ("former", "present")])
def test_an_old_key_is_refused_with_the_new_key(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=rf"params\.yaml: models\.m\.{old}: .*\b{new}\b"):
        check({old: 1}, Extended, "params.yaml: models.m")


def test_an_unknown_key_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"models\.m\.strange: no such key"):
        check({"strange": 1}, Extended, "params.yaml: models.m")


def test_stored_settings_get_the_present_keys() -> None:
    stored = {"old": 3, "former": 4}
    assert check(with_current_keys(stored, Extended), Extended, "bundle") == Extended(new=3, present=4)


def test_a_wrong_item_of_a_list_is_the_only_fault() -> None:
    with pytest.raises(ConfigError) as raised:
        check({"values": [float("inf")]}, Listed, "m")
    assert str(raised.value).startswith("m.values.0: ")
    assert ";" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"m\.values: .*\[\]"):
        check({"values": []}, Listed, "m")


def test_a_pipe_or_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "device"):
        with pytest.raises(ConfigError, match=f"{path.name} is not a file"):
            read_sections(path)
