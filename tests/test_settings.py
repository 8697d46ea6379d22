"""Keys that have been renamed are refused in params.yaml and accepted in stored settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import pytest

from microfacial.errors import ConfigError
from microfacial.settings import Section, check, with_current_keys


class Base(Section):
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"old": "new"})

    new: int = 0


class Extended(Base):
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"former": "present"})

    present: int = 0


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
