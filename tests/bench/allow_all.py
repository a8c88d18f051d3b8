"""The smallest permission listener there can be: every open of a filesystem is allowed,
and nothing but opens is asked for; with ``--reads`` also every read of an open file.

Usage: ``allow_all.py DIRECTORY [--pinned] [--reads]``; prints READY. It is what a guard's
price is compared with: the kernel's part and two context switches.
"""

import os
import select
import sys

from lockgate.agent.guard import fanotify


def main() -> None:
    """Allow until killed."""
    if "--pinned" in sys.argv:
        os.sched_setaffinity(0, {0})
    reads = fanotify.ACCESS_PERM if "--reads" in sys.argv else 0
    group = fanotify.create()
    directory = os.open(sys.argv[1], os.O_PATH)
    fanotify.mark(group, directory, fanotify.OPEN_PERM | reads)
    answers = fanotify.Answers(group)
    print("READY", flush=True)
    poll = select.poll()
    poll.register(group, select.POLLIN)
    while True:
        poll.poll()
        for _mask, fd, _tid in fanotify.events(answers.read()):
            answers.allow(fd)
            os.close(fd)


if __name__ == "__main__":
    main()
