import platform
import resource

import psutil
import pytest
import torch

from microfacial.training.kept_memory import kept_memory

PAGES = 64 * 2**20 // resource.getpagesize()


def count_faults() -> int:
    """Return how many pages the system gives for a block of 64 MB that is used and freed five times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_freed_memory_is_used_again_inside_the_block_and_given_back_at_its_end() -> None:
    usual, process = count_faults(), psutil.Process()
    if usual < 4 * PAGES:
        pytest.skip(f"the system gives large pages: {usual} faults")
    with kept_memory():
        torch.ones(96 * 2**20)  # small objects may lie between free blocks, so the heap needs room first
        faults, held = count_faults(), process.memory_info().rss
    assert faults < 1.5 * PAGES
    assert process.memory_info().rss < held - 256 * 2**20
