"""Open and close one file many times; print p50 and p99 of one round in microseconds.

Usage: ``opener.py FILE COUNT [CPU]``; with CPU the process is pinned to that core.
Nothing of lockgate is imported.
"""

import os
import sys
import time


def main() -> None:
    """Measure and print ``p50 p99``."""
    path, count = sys.argv[1], int(sys.argv[2])
    if len(sys.argv) > 3:
        os.sched_setaffinity(0, {int(sys.argv[3])})
    for _ in range(200):
        os.close(os.open(path, os.O_RDONLY))
    rounds = []
    for _ in range(count):
        start = time.perf_counter_ns()
        os.close(os.open(path, os.O_RDONLY))
        rounds.append(time.perf_counter_ns() - start)
    rounds.sort()
    print(rounds[count // 2] / 1000, rounds[count * 99 // 100] / 1000)


if __name__ == "__main__":
    main()
