# SPDX-License-Identifier: Apache-2.0
"""Keeps keys out of core dumps."""
import functools
import resource


@functools.lru_cache(1)
def prevent() -> None:
    """Let this process, and what it starts, write no core dump. A limit of 0 does not stop a kernel
    that gives dumps to a program (core(5)), 1 does."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1) if most else (0, 0))
