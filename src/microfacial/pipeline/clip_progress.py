"""A progress bar that counts clips."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from tqdm import tqdm

from microfacial.pipeline.project import progress


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
        elif done:
            click.echo(f"{label}: {done} clips were finished by an earlier run")
        if bar is None and done < total:
            bar = progress((), label, total - done)

    try:
        yield report
    finally:
        if bar is not None:
            bar.close()
