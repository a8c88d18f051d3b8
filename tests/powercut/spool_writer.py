"""Append to a spool for ever; print each record's number once it is safe.

Usage: ``spool_writer.py FOLDER durable|careless``
"""

import sys
from pathlib import Path

from lockgate.agent.uplink.spool import RecordKind, Spool


def main() -> None:
    """Write until killed."""
    spool = Spool(Path(sys.argv[1]), durable=sys.argv[2] == "durable")
    while True:
        record = spool.append(RecordKind.ENFORCEMENT, b"receipt " * 40)
        spool.sync()
        print(record.number, flush=True)


if __name__ == "__main__":
    main()
