"""Signals that end a command."""

import os
import signal

import pytest

from microfacial.pipeline.stop_signals import interrupt_on_signals, note_signals


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    """`nohup` lets a command outlive its terminal. A script lets its background outlive Ctrl+C."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interrupt_on_signals():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.usefixtures("usual_signals")
def test_only_the_first_signal_is_caught() -> None:
    with note_signals() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
