"""What a long training says while it runs: a line a fold, and one a minute while none ends."""

import threading
import time
from statistics import median
from types import TracebackType
from typing import Self

import click

from microfacial.records import FoldResult

_BEAT_SECONDS = 60.0


class Countdown:
    """How many folds are done and about how long the others take. Use it as a context, so that it falls silent."""

    def __init__(self, what: str, total: int, processes: int, beat_seconds: float = _BEAT_SECONDS) -> None:
        self._what, self._total, self._processes = what, total, processes
        self._seconds: list[float] = []
        self._spoke = False
        self._ended = threading.Event()
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._beat, args=(beat_seconds,), daemon=True)

    def __enter__(self) -> Self:
        folds, processes = in_number(self._total, "fold"), in_number(self._processes, "process")
        click.echo(f"{self._what}: {folds} on {processes}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Fall silent."""
        self._ended.set()
        self._thread.join()

    def count(self, fold: FoldResult) -> None:
        """Tell of a finished fold."""
        self._seconds.append(fold.seconds)
        self._spoke = True
        hits = int((fold.predicted == fold.truth).sum())
        facts = [f"{hits} of {len(fold.truth)} right", fold.chosen, f"{fold.seconds:.1f} s", self._left()]
        number = f"fold {len(self._seconds)}/{self._total}"
        click.echo(f"{self._what}: {number} {fold.plan.key}: {', '.join(filter(None, facts))}")

    def _left(self) -> str:
        """How long the folds that are left take if they are like the others; nothing where that cannot be said."""
        left = self._total - len(self._seconds)
        if not left or not self._seconds:
            return ""
        seconds = median(self._seconds) * left / min(self._processes, left)
        return f"about {in_words(max(1.0, seconds))} left"

    def _beat(self, every_seconds: float) -> None:
        while not self._ended.wait(every_seconds):
            if not self._spoke:
                passed = in_words(time.monotonic() - self._start)
                facts = [f"{len(self._seconds)} of {in_number(self._total, 'fold')} after {passed}", self._left()]
                click.echo(f"{self._what}: {', '.join(filter(None, facts))}")
            self._spoke = False


def in_words(seconds: float) -> str:
    """A duration as people say it: 40 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def in_number(count: int, noun: str) -> str:
    """A count with its noun: 1 fold, 2 folds, 2 processes."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{'' if count == 1 else plural}"
