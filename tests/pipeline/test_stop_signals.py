"""Signals that end a command."""

import os
import signal

import pytest

from microfacial.pipeline.stop_signals import interrupt_on_signals, note_signals


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """`nohup` lets a command outlive its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_the_first_signal_is_caught() -> None:
    with note_signals() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
