"""The clip in a request: a path, or base64."""

import base64
from pathlib import Path

import pytest

from microfacial.errors import DatasetError
from microfacial.inference.request import open_requested_clip


def test_an_existing_path_is_returned_unchanged(tmp_path: Path) -> None:
    with open_requested_clip(str(tmp_path)) as path:
        assert path == tmp_path


@pytest.mark.parametrize("clip", ["no/such.avi", base64.b64encode(b"text" * 40).decode(), "", "\0", "x" * 5000])
def test_a_value_that_is_neither_a_path_nor_a_video_is_refused_in_a_short_line(clip: str) -> None:
    with pytest.raises(DatasetError, match="base64") as raised, open_requested_clip(clip):
        pass
    assert repr(clip[:60])[:-1] in str(raised.value)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("content", "suffix"), [(b"\0\0\0\x18ftypisom", ".mp4"), (b"GIF89a", ".gif"), (b"RIFF....AVI ", ".avi")]
)
def test_the_type_of_a_video_is_found_from_its_content(content: bytes, suffix: str) -> None:
    with open_requested_clip(base64.b64encode(content).decode()) as path:
        assert path.suffix == suffix
        assert path.read_bytes() == content
    assert not path.exists()
