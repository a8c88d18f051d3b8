"""All container formats, and all dumps, in the order in which they are asked.

Raw always runs: the walk scans the bytes of every member, container or not, so a format that
is misread or unknown can cost members, never the bytes themselves.
"""

from lockgate.scan.containers.apport import Apport
from lockgate.scan.containers.ar import Ar
from lockgate.scan.containers.avml import Avml
from lockgate.scan.containers.bzip2 import Bzip2
from lockgate.scan.containers.container import Archive
from lockgate.scan.containers.cpio import Cpio
from lockgate.scan.containers.dump import Dump
from lockgate.scan.containers.elf_core import ElfCore
from lockgate.scan.containers.ext4 import Ext4
from lockgate.scan.containers.flattened import Flattened
from lockgate.scan.containers.git_object import GitObject
from lockgate.scan.containers.git_pack import GitPack
from lockgate.scan.containers.gzip import Gzip
from lockgate.scan.containers.hex_dump import HexDump, HexRecords
from lockgate.scan.containers.hprof import Hprof
from lockgate.scan.containers.iso9660 import Iso9660
from lockgate.scan.containers.kdump import Kdump
from lockgate.scan.containers.libvirt import LibvirtSave
from lockgate.scan.containers.lime import Lime
from lockgate.scan.containers.lz4 import Lz4
from lockgate.scan.containers.lzma_alone import Lzip, LzmaAlone
from lockgate.scan.containers.mach_core import MachCore
from lockgate.scan.containers.mail import Mail
from lockgate.scan.containers.minidump import Minidump
from lockgate.scan.containers.pagedump import PageDump
from lockgate.scan.containers.partitions import Partitions
from lockgate.scan.containers.pdf import Pdf
from lockgate.scan.containers.program import Program
from lockgate.scan.containers.qcow2 import Qcow2
from lockgate.scan.containers.qemu import QemuStream
from lockgate.scan.containers.rpm import Rpm
from lockgate.scan.containers.sevenzip import SevenZip
from lockgate.scan.containers.sqlite import Sqlite
from lockgate.scan.containers.squashfs import Squashfs
from lockgate.scan.containers.tar import Tar
from lockgate.scan.containers.vdi import Vdi
from lockgate.scan.containers.vmdk import Vmdk
from lockgate.scan.containers.vmware import VmwareState
from lockgate.scan.containers.xz import Xz
from lockgate.scan.containers.zip import Zip
from lockgate.scan.containers.zlib_stream import Zlib
from lockgate.scan.containers.zstd import Zstd

ARCHIVES: tuple[Archive, ...] = (
    Gzip(),
    Zstd(),
    Bzip2(),
    Xz(),
    Lz4(),
    Lzip(),
    LzmaAlone(),
    Zlib(),
    Zip(),
    Ar(),
    Cpio(),
    Rpm(),
    SevenZip(),
    GitPack(),
    GitObject(),
    Squashfs(),
    Sqlite(),
    Qcow2(),
    Vmdk(),
    Vdi(),
    Iso9660(),
    Partitions(),
    Ext4(),
    Tar(),
    Mail(),
    HexDump(),
    HexRecords(),
    Program(),
    Pdf(),
    Apport(),
    Avml(),
    Flattened(),
    Hprof(),
    Kdump(),
    LibvirtSave(),
    QemuStream(),
)

#: Formats that hold memory as it is; dumps that pack it are archives.
DUMPS: tuple[Dump, ...] = (ElfCore(), Minidump(), PageDump(), Lime(), MachCore(), VmwareState())
