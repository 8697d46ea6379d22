"""YAML has its meaning in version 1.2, and content that could be read in two ways is refused with its line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fakes import ROOT
from microfacial.errors import DamagedError
from microfacial.yaml_parser import parse_yaml

TWICE = b"""\
clips: {name: demo}
models:
  mlp:
    epochs: 1
    hidden: 8
    epochs: 2
"""


def as_dvc_reads(content: bytes) -> Any:
    return YAML(typ="safe").load(content.decode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-05),
        ("1E5", 100000.0),
        ("-2e+05", -200000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1e-05'", "1e-05"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_a_value_is_the_value_of_yaml_1_2_and_of_dvc(text: str, value: object) -> None:
    content = f"key: {text}".encode()
    assert parse_yaml(content) == {"key": value} == as_dvc_reads(content)
    assert type(parse_yaml(content)["key"]) is type(value)


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock", "data.dvc"])
def test_the_files_of_the_project_are_read_as_dvc_reads_them(name: str) -> None:
    content = (ROOT / name).read_bytes()
    assert parse_yaml(content) == as_dvc_reads(content)


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        (TWICE, 6, "epochs .*line 4"),
        (b"train: {}\nfaces: {}\ntrain: {seed: 1}\n", 3, "train .*line 1"),
        (b"a: {b: 1, b: 2}", 1, "b .*line 1"),
        (b"a: 1\n'a': 2", 2, "a .*line 1"),
        (b"a: 1\nb: &x [1]\nc: *x", 2, "&x"),
        (b"a: *x", 1, r"\*x"),
        (b"a: !!python/object:os.system x", 1, "python/object"),
        (b"a: 1\nb: !own 1", 2, "!own"),
        (b"a: !!float 1", 1, "float"),
        (b"%YAML 1.1\n---\na: yes", 2, "---"),
        (b"a: 1\n---\nb: 2", 2, "document"),
        (b"<<: {a: 1}", 1, "<<"),
        (b"1: a", 1, r"\b1\b"),
        (b"on: 1\nnull: 2", 2, "null"),
        (b"? [1, 2]\n: 3", 1, "key"),
        (b'a: 1\n"b\\n": 2', 2, r"b\\n"),
        (b"a: 2024-01-31", 1, "2024-01-31"),
        (b"a: " + b"9" * 5000, 1, "5000"),
        (b"a:\n\tb: 1", 2, "\\\\t"),
        (b"a: [1,\n", 2, "stream end"),
        (b"a: 1\nb: \xe9\n", 2, "0xe9"),
        (b"a: 1\nb: \x00", 2, "characters"),
        (b'a: "\\0"', 1, "x00"),
        (b'a: "\\ud800"', 1, "ud800"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, 1, "20 levels"),
        (b"a:\n" + b"- " * 5000, 2, "20 levels"),
    ],
)
def test_a_fault_is_refused_with_its_line(content: bytes, line: int, fault: str) -> None:
    with pytest.raises(DamagedError, match=rf"^line {line}: .*{fault}") as caught:
        parse_yaml(content)
    assert "\n" not in str(caught.value)


def test_an_alias_bomb_is_refused_before_it_is_expanded() -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 99))]
    with pytest.raises(DamagedError, match="line 1: &a0"):
        parse_yaml("\n".join(rows).encode())


def test_a_file_that_nobody_wrote_by_hand_is_refused_by_its_size() -> None:
    with pytest.raises(DamagedError, match="300001"):
        parse_yaml(b"#" * 300_001)
    assert parse_yaml(b"#" * 300_001, max_bytes=None) is None


@given(st.one_of(st.binary(max_size=200), st.text("ab01:-[]{}&*!|>'\"%@#?,. \n\t\\~<=", max_size=60).map(str.encode)))
def test_any_bytes_are_a_value_of_dvc_or_are_refused(content: bytes) -> None:
    try:
        value = parse_yaml(content)
    except DamagedError as error:
        message = str(error)
    else:
        message = ""
        assert repr(value) == repr(as_dvc_reads(content))  # repr, because nan differs from itself
    assert "\n" not in message
