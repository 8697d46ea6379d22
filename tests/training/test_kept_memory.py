import json
import platform
import resource
import subprocess
import sys

import pytest

PAGES = 64 * 2**20 // resource.getpagesize()
SCRIPT = """
import json, resource
import numpy, psutil
from microfacial.training.kept_memory import kept_memory

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        numpy.full(2**26, 1, numpy.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = count_faults()
with kept_memory():
    numpy.full(6 * 2**26, 1, numpy.uint8)  # small objects may lie between free blocks, so the heap needs room first
    kept, held = count_faults(), psutil.Process().memory_info().rss
print(json.dumps([usual, kept, held - psutil.Process().memory_info().rss]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_freed_memory_is_used_again_inside_the_block_and_given_back_at_its_end() -> None:
    """Blocks of 64 MB are used and freed five times. A new process has no free blocks of other tests."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    usual_faults, kept_faults, given_back = json.loads(run.stdout)
    assert kept_faults < min(1.5 * PAGES, 0.5 * usual_faults)
    assert given_back > 256 * 2**20
