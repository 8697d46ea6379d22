"""Progress of long commands: bars over clips and pages, and one line per finished fold."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from types import TracebackType
from typing import Self, TypeVar

import click
from tqdm import tqdm

from microfacial.pipeline.messages import is_quiet
from microfacial.records import FoldResult

_SECONDS_BETWEEN_LINES = 60.0
_Item = TypeVar("_Item")


def progress_bar(items: Iterable[_Item], stage: str, total: int | None = None, unit: str = "clip") -> "tqdm[_Item]":
    """Return a progress bar. Use it as a context manager, so that it ends its line.

    Args:
        items: the items to iterate over.
        stage: text in front of the bar.
        total: number of items, if `items` has no length.
        unit: name of an item.

    Returns:
        The bar. On a terminal it moves, in a log it prints one line every ten seconds.
    """
    interval = 0.1 if sys.stderr.isatty() else 10
    return tqdm(items, desc=stage, total=total, unit=unit, mininterval=interval, maxinterval=10, disable=is_quiet())


@contextmanager
def clip_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, and close it at the end of the context.

    The first call of the yielded function prints how many clips an earlier run has finished. The bar counts the others.

    Args:
        label: text at the start of the bar and of messages.

    Yields:
        A function that takes the number of clips that are done and the number of all clips.
    """
    bar: tqdm[None] | None = None

    def report(done: int, total: int) -> None:
        nonlocal bar
        if bar is not None:
            bar.update()
        elif done and not is_quiet():
            click.echo(f"{label}: {done} clips were finished by an earlier run")
        if bar is None and done < total:
            bar = progress_bar((), label, total - done)

    try:
        yield report
    finally:
        if bar is not None:
            bar.close()


class Countdown:
    """Print a line for every finished fold, with an estimate of the remaining time.

    While no fold finishes, it prints one line per minute. Use it as a context manager, which stops the printing.
    """

    def __init__(
        self, label: str, total: int, processes: int, seconds_between_lines: float = _SECONDS_BETWEEN_LINES
    ) -> None:
        """Prepare the countdown.

        Args:
            label: first word of each line, such as `train hybrid`.
            total: number of folds.
            processes: number of processes that train folds.
            seconds_between_lines: longest time without a line, in seconds.
        """
        self._label, self._total, self._processes = label, total, processes
        self._seconds: list[float] = []
        self._printed = False
        self._ended = threading.Event()
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._print_regularly, args=(seconds_between_lines,), daemon=True)

    def __enter__(self) -> Self:
        folds, processes = count_noun(self._total, "fold"), count_noun(self._processes, "process")
        if not is_quiet():
            click.echo(f"{self._label}: {folds} on {processes}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop printing."""
        self._ended.set()
        self._thread.join()

    def count(self, fold: FoldResult, result: str = "") -> None:
        """Print one line about a finished fold.

        Args:
            fold: the finished fold.
            result: its predictions in words. The default is the number of clips whose class is correct.
        """
        self._seconds.append(fold.seconds)
        self._printed = True
        correct = int((fold.predicted == fold.truth).sum())
        facts = [
            result or f"{correct} of {len(fold.truth)} correct",
            fold.chosen,
            f"{fold.seconds:.1f} s",
            self._remaining_time(),
        ]
        number = f"fold {len(self._seconds)}/{self._total}"
        if not is_quiet():
            click.echo(f"{self._label}: {number} {fold.plan.key}: {', '.join(filter(None, facts))}")

    def _remaining_time(self) -> str:
        """Return an estimate from the median fold, or an empty text if there is nothing to estimate."""
        remaining = self._total - len(self._seconds)
        if not remaining or not self._seconds:
            return ""
        seconds = median(self._seconds) * remaining / min(self._processes, remaining)
        return f"about {format_duration(max(1.0, seconds))} left"

    def _print_regularly(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            if not self._printed and not is_quiet():
                elapsed = format_duration(time.monotonic() - self._start)
                facts = [
                    f"{len(self._seconds)} of {count_noun(self._total, 'fold')} after {elapsed}",
                    self._remaining_time(),
                ]
                click.echo(f"{self._label}: {', '.join(filter(None, facts))}")
            self._printed = False


def format_duration(seconds: float) -> str:
    """Return a duration such as `40 s`, `3 min` or `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def count_noun(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 fold`, `2 folds` or `2 processes`."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{'' if count == 1 else plural}"
