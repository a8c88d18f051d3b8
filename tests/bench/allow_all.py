"""The smallest permission listener there can be: every open of a filesystem is allowed,
and nothing but opens is asked for.

Usage: ``allow_all.py DIRECTORY [CPU]``; prints READY. It is what a guard's price is compared
with: the kernel's part and two context switches.
"""

import os
import select
import sys

from lockgate.agent.guard import fanotify


def main() -> None:
    """Allow until killed."""
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    group = fanotify.create()
    fanotify.mark(group, os.open(sys.argv[1], os.O_PATH), fanotify.OPEN_PERM)
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
