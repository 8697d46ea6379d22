"""Messages of decoders."""

import os
from pathlib import Path

import cv2
import pytest

from microfacial.datasets.decoders import call_decoder
from microfacial.errors import DatasetError


def test_a_call_returns_its_own_messages_only() -> None:
    def print_long() -> int:
        return os.write(2, b"a long message")

    assert call_decoder(Path("film.mp4"), print_long) == (14, "a long message")
    assert call_decoder(Path("film.mp4"), lambda: os.write(2, b"short")) == (5, "short")
    assert call_decoder(Path("film.mp4"), lambda: 0) == (0, "")


def test_messages_of_a_call_that_fails_are_not_those_of_the_next() -> None:
    def fail() -> None:
        os.write(2, b"lost")
        raise cv2.error("no picture")

    with pytest.raises(DatasetError, match="no picture"):
        call_decoder(Path("film.mp4"), fail)
    assert call_decoder(Path("film.mp4"), lambda: 0) == (0, "")


def test_a_forked_process_has_messages_of_its_own() -> None:
    call_decoder(Path("film.mp4"), lambda: os.write(2, b"before"))
    child = os.fork()
    if child == 0:
        _, messages = call_decoder(Path("film.mp4"), lambda: os.write(2, b"child"))
        os._exit(0 if messages == "child" else 1)
    _, messages = call_decoder(Path("film.mp4"), lambda: (os.write(2, b"parent"), os.waitpid(child, 0))[1])
    assert messages == "parent"
