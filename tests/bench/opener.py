"""Open and close one file many times; print p50 and p99 of one round in microseconds.

Usage: ``opener.py FILE COUNT [--pinned] [--read]``; pinned to the first core, and reading the
file in every round, if told so. Nothing of lockgate is imported.
"""

import os
import sys
import time


def main() -> None:
    """Measure and print ``p50 p99``."""
    path, count = sys.argv[1], int(sys.argv[2])
    if "--pinned" in sys.argv:
        os.sched_setaffinity(0, {0})
    use = _read if "--read" in sys.argv else _open
    for _ in range(200):
        use(path)
    rounds = []
    for _ in range(count):
        start = time.perf_counter_ns()
        use(path)
        rounds.append(time.perf_counter_ns() - start)
    rounds.sort()
    print(rounds[count // 2] / 1000, rounds[count * 99 // 100] / 1000)


def _open(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def _read(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 4096)
    os.close(fd)


if __name__ == "__main__":
    main()
