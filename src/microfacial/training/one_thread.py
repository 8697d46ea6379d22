"""Compute in a way that can be repeated: in one thread, and without tricks of graphics processors."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread inside the block. More threads add numbers in another order and change the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _find_thread_pools(len(sys.modules)).limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _find_thread_pools(modules: int) -> ThreadpoolController:
    """Find the libraries that have threads of their own. It takes milliseconds, so each fold must not do it again.

    Args:
        modules: number of imported modules, the key of the cache. A module that is imported later may load a further
            library.
    """
    return ThreadpoolController()


@contextmanager
def repeatable(device: str) -> Iterator[None]:
    """Give the same result in every run on one graphics processor inside the block. It changes nothing on `cpu`.

    Args:
        device: `cpu`, `cuda` or `mps`.
    """
    if device == "cpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS adds in a changing order
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)  # some operations have no deterministic algorithm
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
