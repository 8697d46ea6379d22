"""Keep freed memory during a training, so that the next step need not ask the system for it again.

The activations of a network with large maps are freed after each step. The C library gives blocks of their size back to
the system, which must fill new blocks with zeros in the next step. This takes up to a third of the time of a training.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

# Parameters of mallopt(3) of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # the largest value to which the library raises the threshold by itself
_DEFAULT_MMAP_MAX = 65536
_MOST_KEPT_BYTES = 2**31 - 1


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory inside the block, and give it back at the end. It needs the GNU C library.

    Settings of the library that were made before, such as `MALLOC_TRIM_THRESHOLD_`, are lost. If two blocks overlap in
    time, the end of the first one ends both.
    """
    tune, trim = _find_functions()
    tune(_MMAP_MAX, 0)
    tune(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)
    try:
        yield
    finally:
        # The library does not adapt the thresholds any more. These are the largest values that it would reach. From now
        # on, blocks below 32 MB come from the heap.
        tune(_MMAP_MAX, _DEFAULT_MMAP_MAX)
        tune(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        tune(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        trim(0)


@lru_cache
def _find_functions() -> tuple[Callable[[int, int], int], Callable[[int], int]]:
    """Return `mallopt` and `malloc_trim`, or functions without effect for other C libraries."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return lambda _, value: value, lambda pad: pad
    return library.mallopt, library.malloc_trim
