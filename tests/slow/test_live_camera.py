"""A camera that records for longer than movements wait, and a real window."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.datasets.film import open_film
from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import open_prior
from microfacial.inference.live_answer import LiveAnswer
from microfacial.inference.live_picture import LivePicture

pytestmark = pytest.mark.slow


def test_movements_are_final_while_the_camera_records(tmp_path: Path) -> None:
    strengths = [*smile(80, 30), *[0.0] * 400, *smile(80, 40)]
    film = write_film(tmp_path / "film", [draw_face(strength) for strength in strengths]).root
    prior = open_prior()
    live, picture = LiveAnswer("camera 0", prior), LivePicture()
    final: list[tuple[int, int]] = []
    for frame in open_film(film, FPS).frames():
        final += [(frame.number, event.apex) for event in live.add(frame)]
        picture.draw(frame, live, 0)
    answer, expected = live.finish(), answer_film(film, prior, fps=FPS)
    assert [event.to_dict() for event in answer.events] == [event.to_dict() for event in expected.events]
    assert len(answer.events) == 2
    assert [(number, apex) for number, apex in final if number - apex > 16 * FPS] == []
    assert [apex for _, apex in final] == [answer.events[0].apex]  # the other one is final at the end


@pytest.fixture
def display() -> Iterator[str]:
    """The name of a display that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    pytest.importorskip("tkinter")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "900x800x24"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as stream:
                yield f":{stream.readline().strip()}"
        finally:
            server.terminate()


_SHOW = """
import time, numpy as np
from microfacial.pipeline.live_window import open_live_window
window = open_live_window("camera 0")
window.show(np.full((200, 300, 3), (10, 20, 30), np.uint8))
window.is_closed()
image = window._image
print(image.width(), image.height(), image.get(150, 100), flush=True)
window._root.event_generate("<q>")  # as if the user pressed the key
print(window.is_closed())
window.close()
"""


def test_a_real_window_shows_the_picture_and_is_closed_by_q(display: str) -> None:
    environment = {**os.environ, "DISPLAY": display}
    shown = subprocess.run(
        [sys.executable, "-c", _SHOW], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout.splitlines() == ["300 200 (30, 20, 10)", "True"]
