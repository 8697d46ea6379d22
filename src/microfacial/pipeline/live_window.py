"""A window that shows pictures one after the other.

It uses Tk, which belongs to Python. OpenCV has windows too, but `opencv-python-headless`, which this package installs,
is built without them.
"""

from collections.abc import Callable
from typing import Any, Protocol

import cv2

from microfacial.errors import PipelineError
from microfacial.records import Image

_CLOSING_KEYS = ("<q>", "<Q>", "<Escape>")
_WITHOUT = "or use --no-window"


class LiveWindow(Protocol):
    """A window that is open."""

    def show(self, picture: Image) -> None:
        """Show a picture instead of the last one.

        Args:
            picture: the picture, `(H, W, 3)` uint8, BGR.
        """
        ...

    def is_closed(self) -> bool:
        """Handle keys and the mouse. Return whether the user has pressed q or Esc, or has closed the window."""
        ...

    def close(self) -> None:
        """Close the window."""
        ...


OpenWindow = Callable[[str], LiveWindow]
"""Opens a window with a title."""


class _TkWindow:
    def __init__(self, tk: Any, root: Any) -> None:
        self._tk, self._root = tk, root
        self._label = tk.Label(root, borderwidth=0)
        self._label.pack()
        self._closed = False
        for key in _CLOSING_KEYS:
            root.bind(key, self._note_end)
        root.protocol("WM_DELETE_WINDOW", self._note_end)

    def _note_end(self, *_: object) -> None:
        self._closed = True

    def show(self, picture: Image) -> None:
        _, content = cv2.imencode(".ppm", picture)
        image = self._tk.PhotoImage(master=self._root, data=content.tobytes(), format="PPM")
        try:
            self._label.configure(image=image)
        except self._tk.TclError:  # the window is gone, for example because the display was closed
            self._closed = True
        self._image = image  # Tk shows it only as long as it exists

    def is_closed(self) -> bool:
        try:
            self._root.update()
        except self._tk.TclError:
            self._closed = True
        return self._closed

    def close(self) -> None:
        try:
            self._root.destroy()
        except self._tk.TclError:
            self._closed = True


def open_live_window(title: str) -> LiveWindow:
    """Open a window.

    Args:
        title: its title.

    Raises:
        PipelineError: Python has no Tk, or there is no display.
    """
    try:
        import tkinter
    except ImportError as error:  # many Linux distributions have it as a separate package
        raise PipelineError(
            f"a window needs Tk, which this Python does not have ({error}). Install it (on Debian and Ubuntu: `apt-get "
            f"install python3-tk`), {_WITHOUT}"
        ) from None
    try:
        root = tkinter.Tk(className="microfacial")
    except tkinter.TclError as error:
        raise PipelineError(f"no window can be opened ({error}). Run the command on a desktop, {_WITHOUT}") from None
    root.title(title)
    root.focus_force()  # so that the keys work at once
    return _TkWindow(tkinter, root)
