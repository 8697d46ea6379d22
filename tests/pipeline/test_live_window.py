"""The window of `predict --camera`, without a display."""

import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from microfacial.errors import PipelineError
from microfacial.pipeline.live_window import open_live_window


class FakeTk:
    """Stands for the module `tkinter`, and for its window."""

    class TclError(Exception):
        pass

    def __init__(self) -> None:
        self.bound: dict[str, Callable[..., None]] = {}
        self.images: list[bytes] = []
        self.names: list[str] = []
        self.gone = False

    def Tk(self, className: str) -> "FakeTk":  # noqa: N802, N803 – names of Tk
        return self

    def Label(self, root: "FakeTk", borderwidth: int) -> SimpleNamespace:  # noqa: N802 – a name of Tk
        return SimpleNamespace(pack=lambda: None, configure=lambda image: self.fail_if_gone())

    def PhotoImage(self, master: "FakeTk", data: bytes, format: str) -> bytes:  # noqa: A002, N802 – names of Tk
        self.images.append(data)
        return data

    def title(self, text: str) -> None:
        self.names.append(text)

    def focus_force(self) -> None:
        self.fail_if_gone()

    def bind(self, key: str, function: Callable[..., None]) -> None:
        self.bound[key] = function

    def protocol(self, name: str, function: Callable[..., None]) -> None:
        self.bound[name] = function

    def update(self) -> None:
        self.fail_if_gone()

    def destroy(self) -> None:
        self.fail_if_gone()
        self.gone = True

    def fail_if_gone(self) -> None:
        if self.gone:
            raise self.TclError("can't invoke command: application has been destroyed")


@pytest.fixture
def tk(monkeypatch: pytest.MonkeyPatch) -> FakeTk:
    fake = FakeTk()
    monkeypatch.setitem(sys.modules, "tkinter", fake)
    return fake


@pytest.mark.parametrize("key", ["<q>", "<Escape>", "WM_DELETE_WINDOW"])
def test_keys_and_the_button_end_the_recording(key: str, tk: FakeTk) -> None:
    window = open_live_window("camera 0")
    assert (tk.names, window.is_closed()) == (["camera 0"], False)
    tk.bound[key](SimpleNamespace())
    assert window.is_closed()
    window.close()
    assert tk.gone


def test_a_picture_is_given_to_tk_as_it_is(tk: FakeTk) -> None:
    open_live_window("camera 0").show(np.array([[[255, 0, 10], [0, 7, 0]]], np.uint8))  # BGR
    assert tk.images == [b"P6\n2 1\n255\n" + bytes([10, 0, 255, 0, 7, 0])]


def test_a_display_that_goes_away_ends_the_recording(tk: FakeTk) -> None:
    window = open_live_window("camera 0")
    tk.gone = True
    window.show(np.zeros((2, 2, 3), np.uint8))
    assert window.is_closed()
    window.close()


def test_a_python_without_tk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(PipelineError, match=r"Tk.*--no-window"):
        open_live_window("camera 0")


@pytest.mark.skipif(sys.platform != "linux", reason="only X needs a display variable")
def test_a_computer_without_a_display_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(PipelineError, match=r"display.*--no-window"):
        open_live_window("camera 0")
