"""Memory that is freed stays with the process, where the C library is GNU's and its user set nothing."""

import os
import platform
import subprocess
import sys

import pytest

from headstart.allocator import TUNABLES, VARIABLES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
COUNT = """
import resource, sys
from headstart.allocator import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
import numpy as np
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 23)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Blocks of 64 MiB, made and freed in turn: 16,384 pages of 4 KiB each."""


def counted(what, **variables):
    bare = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, TUNABLES)}
    # Huge pages, which numpy asks for, are few faults.
    variables = {**bare, "NUMPY_MADVISE_HUGEPAGE": "0", **variables}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, what], env=variables, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


def test_blocks_that_are_freed_are_used_again():
    """Without it glibc 2.36 maps each block anew (mallopt(3): blocks above the threshold are mapped, and unmapped when
    they are freed; it grows up to 32 MiB by itself)."""
    assert counted("leave")[1] > 20 * 10_000
    kept, faults = counted("keep")
    assert kept == "True"
    assert faults < 1_000


@pytest.mark.parametrize("variables", [{"MALLOC_TRIM_THRESHOLD_": "1000000"}, {TUNABLES: "glibc.malloc.hugetlb=1"}])
def test_what_a_user_set_stays(variables):
    assert counted("keep", **variables)[0] == "False"
