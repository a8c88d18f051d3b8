"""Open clean files again and again, and count what fails.

Usage: openings.py FOLDER SECONDS; prints one line of JSON: opens, and failures by errno.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path


def main() -> None:
    """Open every file of the folder in turn until the time is over."""
    folder, end = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    failed: Counter[str] = Counter()
    opens = 0
    while time.monotonic() < end:
        for path in folder.iterdir():
            opens += 1
            try:
                os.close(os.open(path, os.O_RDONLY))
            except FileNotFoundError:
                opens -= 1  # it was there when the folder was listed
            except OSError as error:
                failed[errno.errorcode.get(error.errno or 0, "?")] += 1
    sys.stdout.write(json.dumps({"opens": opens, "failed": failed}) + "\n")


if __name__ == "__main__":
    main()
