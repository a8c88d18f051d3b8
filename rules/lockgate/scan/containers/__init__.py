"""All container formats, in the order in which they are asked.

Raw always runs: the walk scans the bytes of every member, container or not, so a format that
is misread or unknown can cost members, never the bytes themselves.
"""

from lockgate.scan.containers.bzip2 import Bzip2
from lockgate.scan.containers.container import Archive
from lockgate.scan.containers.gzip import Gzip
from lockgate.scan.containers.tar import Tar
from lockgate.scan.containers.xz import Xz
from lockgate.scan.containers.zip import Zip
from lockgate.scan.containers.zstd import Zstd

ARCHIVES: tuple[Archive, ...] = (Gzip(), Zstd(), Bzip2(), Xz(), Zip(), Tar())
