"""Saved machines of libvirt (``virsh save``): a header, the machine as XML, QEMU's stream.

The layout is that of ``virQEMUSaveHeader`` (src/qemu/qemu_saveimage.h): magic, then 32-bit
numbers in the byte order of the host: version, length of the XML, and more, 92 bytes in all.

Rule enforced here: what stands behind the header and the XML is one stored member, whatever it
is packed with; its format is told by content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, Stream

_MAGICS = (b"LibvirtQemudSave", b"LibvirtQemudPart")
_HEADER_BYTES = 92
_VERSIONS = range(1, 256)


@dataclass(frozen=True, slots=True)
class LibvirtSave:
    """A saved machine, complete or partial."""

    name: str = "libvirt save"

    def recognises(self, head: bytes) -> bool:
        """Magic, and room for the header."""
        return head.startswith(_MAGICS) and len(head) >= _HEADER_BYTES

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The stream of the machine's state.

        Raises:
            Broken: the version makes no sense in either byte order.
        """
        header = stream.read(_HEADER_BYTES)
        fields = (struct.unpack_from(form, header, 16) for form in ("<II", ">II"))
        length = next((xml for version, xml in fields if version in _VERSIONS), None)
        if length is None:
            raise Broken(GapReason.DAMAGED, "the header has no version")
        stream.skip(length)
        yield Member(b"state", iter(lambda: stream.read_some(READ_BYTES), b""), stream.position)
