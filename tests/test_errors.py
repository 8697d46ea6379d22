"""Messages about unknown names propose a known name, and addresses in messages have no password."""

from typing import Any, Literal

import pytest
from pydantic import Field

from microfacial.errors import ConfigError, RequestError, describe_error, hide_password, name_in_errors, suggest
from microfacial.models.presets import find_network, resolve
from microfacial.settings import Section, check


class _Inner(Section):
    levels: int = 3


class _Outer(Section):
    method: Literal["landmarks", "template"] = "landmarks"
    corpora: tuple[Literal["casme2", "samm"], ...] = Field((), strict=False)
    inner: _Inner | None = None


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("hybird", ["hybrid", "mlp"], ". Did you mean hybrid?"),
        ("CASME2", ["casme2", "casme3"], ". Did you mean casme2?"),
        ("Hybrid", {"hybrid": 1}, ". Did you mean hybrid?"),
        (7, ["7", "hybrid"], ""),
        (None, ["none"], ""),
        ([["hybrid"]], ["hybrid"], ""),
        ("x" * 100_000, ["xx"], ""),
        ("zebra", ["hybrid", "mlp"], ""),
        ("a", [], ""),
    ],
)
def test_the_most_similar_name_is_proposed(name: object, known: Any, expected: str) -> None:
    assert suggest(name, known) == expected


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        ({"methods": "landmarks"}, "method"),
        ({"inner": {"level": 3}}, "levels"),
        ({"method": "landmark"}, "landmarks"),
        ({"corpora": ["CASME2"]}, "casme2"),
    ],
)
def test_a_wrong_key_or_value_of_a_section_is_corrected(content: dict[str, Any], meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"Did you mean {meant}\?"):
        check(content, _Outer, "params.yaml: faces")


def test_a_wrong_model_or_preset_is_corrected() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean hybrid\?"):
        resolve("hybird", {}, "params.yaml: models.hybird")
    with pytest.raises(ConfigError, match=r"Did you mean mission\?"):
        resolve("hybrid", {"preset": "misson"}, "params.yaml: models.hybrid")
    with pytest.raises(ConfigError, match=r"Did you mean epochs\?"):
        resolve("mlp", {"epoch": 3}, "params.yaml: models.mlp")
    with pytest.raises(ConfigError, match=r"Did you mean roi_cnn\?"):
        find_network("roi_cn")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://user:secret@host/db", "postgresql://host/db"),
        ("postgresql://user:se/cret@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=u&password=secret", "postgresql://host/db?user=u&password=***"),
        ("cannot reach http://u:secret@host:5000/a twice", "cannot reach http://host:5000/a twice"),
        ("http://host:5000/mail@example.org", "http://host:5000/mail@example.org"),
    ],
)
def test_passwords_are_hidden(address: str, shown: str) -> None:
    assert hide_password(address) == shown


def test_a_message_without_the_name_of_the_film_gets_it_and_keeps_its_type() -> None:
    with pytest.raises(RequestError, match=r"^a\.mp4: nothing moves$") as raised, name_in_errors("a.mp4"):
        raise RequestError("nothing moves", 422)
    assert raised.value.status == 422
    with pytest.raises(ConfigError, match=r"^no a\.mp4$"), name_in_errors("a.mp4"):
        raise ConfigError("no a.mp4")


def test_an_error_is_described_by_its_type_and_message_in_one_line() -> None:
    assert describe_error(KeyError("a")) == "KeyError: 'a'"
    assert describe_error(ValueError("wrong\n  rows: 3")) == "ValueError: wrong rows: 3"
    assert describe_error(AssertionError()) == "AssertionError"
