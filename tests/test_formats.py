"""Readers of formats: the value, or one reason. Libraries raise nothing else."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microfacial.errors import DamagedError
from microfacial.formats import (
    open_npy,
    open_npz,
    parse_csv,
    parse_decimal,
    parse_json,
    parse_record,
    parse_whole,
)


@dataclass(frozen=True)
class Part:
    share: float


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]


def test_a_record_is_read_with_its_nested_records() -> None:
    content = b'{"name": "a", "parts": [{"share": 1}, {"share": 0.1}]}'
    assert parse_record(content, Whole) == Whole("a", (Part(1.0), Part(0.1)))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"name": "a", "parts": [{"share": "1"}]}', r"parts\.0\.share"),
        (b'{"name": 1, "parts": []}', "name"),
        (b'{"parts": []}', "name.*another version"),
        (b'{"name": "a", "parts": [], "more": 1}', "more.*another version"),
        (b"[]", "the whole file"),
        (b'{"name": "a", "parts": [{"share": NaN}]}', "line 1"),
        (b'{"name": "a", "parts": [{"share": 1e999}]}', "number"),
        (b'{"name": "\xe9"', "JSON"),
        (b'{"name": "a", "parts": [], "name": "b"}', "'name' appears 2 times"),
        (b'{"name": "a", "parts": [{"share": 1, "share": 0}]}', "'share' appears 2 times"),
        (b"[" * 5000, "recursion"),
        (b"9" * 5000, "range"),
        (b"12", "cut off"),
    ],
)
def test_a_damaged_record_is_refused_with_the_place(content: bytes, place: str) -> None:
    with pytest.raises(DamagedError, match=place):
        parse_record(content, Whole)


def test_cells_of_a_table_are_text_and_may_contain_commas_quotes_and_line_ends() -> None:
    assert parse_csv(b'a,b\n"1,""x""\ny",\n', ["b"]) == [{"a": '1,"x"\ny', "b": ""}]
    assert parse_csv(b"a,b\n", ["a"]) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column a"),
        (b"b\n1\n", "no column a"),
        (b"a,a\n1,2\n", "twice"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 cells"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        (b"a,b\n1,2\n\n", "line 3 has 0 cells"),
        (b"a,b\n1,2", "line 2 is cut off"),
        (b'a,b\n1,"2\n', "line 2"),
        (b"a,b\n1,\xe9\n", "line 2: byte 0xe9"),
        (b"a,b\n" + b"1" * 200_000 + b",2\n", "line 2"),
    ],
)
def test_a_damaged_table_is_refused_with_the_line(content: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        parse_csv(content, ["a"])


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("-12", -12), ("007", 7)])
def test_a_whole_number_has_decimal_digits(text: str, number: int) -> None:
    assert parse_whole(text) == number


@pytest.mark.parametrize("text", ["", " 1", "1_000", "1.0", "+1", "0x1", "٣", "1e3", "9" * 5000])
def test_other_text_is_no_whole_number(text: str) -> None:
    with pytest.raises(DamagedError, match="whole number"):
        parse_whole(text)


@pytest.mark.parametrize(("text", "number"), [("0.5", 0.5), ("-1e-05", -1e-05), ("29.97", 29.97), ("1e+06", 1e6)])
def test_a_number_may_have_a_point_and_an_exponent(text: str, number: float) -> None:
    assert parse_decimal(text) == number


@pytest.mark.parametrize("text", ["", "nan", "inf", "-Infinity", "1e999", "1_0.5", "0,5", " 1", "½", "0x1p3"])
def test_other_text_is_no_number(text: str) -> None:
    with pytest.raises(DamagedError, match="finite number"):
        parse_decimal(text)


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", a=array, text=np.array("x"))
    assert np.array_equal(open_npy(tmp_path / "a.npy", np.float16, (2, 3)), array)
    arrays = open_npz(tmp_path / "a.npz", ["a"])
    assert np.array_equal(arrays["a"], array)
    assert str(arrays["text"]) == "x"


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.complex64])
def test_an_array_of_another_type_is_refused_with_both_types(tmp_path: Path, kind: type[np.generic]) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3), kind))
    with pytest.raises(DamagedError, match=rf"{np.dtype(kind)} \(2, 3\) instead of float16 \(2, 3\)"):
        open_npy(tmp_path / "a.npy", np.float16, (2, 3))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (str(tmp_path / "ran"),)

    np.save(tmp_path / "a.npy", np.array([Trap()]), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([Trap()]))
    with pytest.raises(DamagedError):
        open_npy(tmp_path / "a.npy", np.float16, (1,))
    with pytest.raises(DamagedError):
        open_npz(tmp_path / "a.npz", [])
    assert not (tmp_path / "ran").exists()


def test_an_encrypted_or_foreign_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"no array")
    with pytest.raises(DamagedError):
        open_npz(tmp_path / "a.npz", [])
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[6] |= 1  # the flag of an encrypted entry
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DamagedError, match="encrypted"):
        open_npz(tmp_path / "a.npz", [])


def npy_header(text: str) -> bytes:
    content = text.encode()
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@given(
    st.one_of(
        st.binary(max_size=200), st.text("{}[]()'\":,<f0123456789 descrfortan_oshpe", max_size=80).map(npy_header)
    )
)
def test_any_bytes_are_an_array_or_one_reason(folder: Path, content: bytes) -> None:
    path = folder / "a.npy"
    path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        open_npy(path, np.float16, (12345,))
    assert "\n" not in str(caught.value)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", content)
    for archived in (content, stream.getvalue()):
        path.write_bytes(archived)
        try:
            message = "" if open_npz(path, []) is not None else "None"
        except DamagedError as error:
            message = str(error)
        assert "\n" not in message


@given(st.one_of(st.binary(max_size=100), st.text('{}[]",:.0123456789eE+-aNnultrf \\u\n', max_size=60).map(str.encode)))
def test_any_bytes_are_json_and_a_table_or_one_reason(content: bytes) -> None:
    for parse in (parse_json, lambda text: parse_record(text, Whole), lambda text: parse_csv(text, ())):
        try:
            parse(content)
        except DamagedError as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message
