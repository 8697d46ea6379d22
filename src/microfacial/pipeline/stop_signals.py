"""Signals that ask a command to end: Ctrl+C, SIGTERM, and SIGHUP, which a terminal sends when it is closed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import NoReturn


@contextmanager
def note_signals() -> Iterator[Flag]:
    """Yield a flag that the first signal sets, so that the answer is printed. The second is not caught.

    Yields:
        The flag.
    """
    flag = Flag()
    with _react_once(flag.set):
        yield flag


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Let the first signal in the context raise a KeyboardInterrupt, as Ctrl+C does. The second is not caught."""

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    with _react_once(interrupt):
        yield


@contextmanager
def _react_once(react: Callable[[], object]) -> Iterator[None]:
    # `nohup` ignores SIGHUP, and a shell ignores SIGINT for the programs that a script starts in the background.
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    numbers = [number for number in stops if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(*_: object) -> None:
        restore()
        react()

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
