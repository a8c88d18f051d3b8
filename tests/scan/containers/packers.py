"""Containers made by the programs that people use: one row is one container.

Every command runs in a folder that holds ``tree/`` (a packed file ``key.gz``, a text
``clean.txt``, a folder ``sub`` with a text) and writes ``out``. What is in ``key.gz`` is packed,
so that only a reader of the container can reach it, never the scan of raw bytes.
"""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

#: Text that is longer than a block and compresses, but not to nothing.
CLEAN = "\n".join(f"{i}: nothing secret here, {i * i % 9973}" for i in range(400)).encode()

_SPEC = """
Name: sample
Version: 1
Release: 1
Summary: sample
License: none
%description
%install
mkdir -p %{buildroot}/opt
cp PWD/tree/* %{buildroot}/opt/ 2>/dev/null || true
%files
/opt/*
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A command, and the member under which ``key.gz`` is found; ``""``: it packs that alone."""

    command: str
    member: str


def _tar(options: str) -> Row:
    return Row(f"tar -C tree {options} -cf out key.gz clean.txt sub", "key.gz")


def _cpio(form: str) -> Row:
    return Row(f"cd tree; ls key.gz clean.txt | cpio -o -H {form} >../out 2>/dev/null", "key.gz")


def _seven(options: str, kind: str = "7z") -> Row:
    command = f"cd tree; 7z a -bd -t{kind} {options} ../out.x key.gz clean.txt >/dev/null"
    return Row(f"{command}; mv ../out.x ../out", "key.gz")


def _zip(options: str) -> Row:
    return Row(f"cd tree; zip -q -r {options} ../o.zip . ; mv ../o.zip ../out", "key.gz")


def _squashfs(method: str) -> Row:
    return Row(f"mksquashfs tree out -comp {method} -quiet -no-progress -all-root", "key.gz")


def _ext(kind: str) -> Row:
    return Row(f"mkfs.{kind} -q -d tree out 4M 2>/dev/null", "key.gz")


_DISK = "mkfs.ext4 -q -d tree disk 4M"


def _disk(options: str) -> Row:
    return Row(f"{_DISK}; qemu-img convert {options} disk out", "disk!key.gz")


def _hex(command: str) -> Row:
    return Row(f"{command} tree/key.gz > out", "hex dump")


_GIT = (
    "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a;"
    "git init -q repo; cp -r tree/. repo; cd repo; git add -A; git commit -q -m one; "
)

PACKED: Mapping[str, Row] = {
    "gzip": Row("gzip -c tree/key.gz > out", "gzip"),
    "bzip2": Row("bzip2 -c tree/key.gz > out", "bzip2"),
    "xz": Row("xz -c tree/key.gz > out", "xz"),
    "lzma": Row("xz --format=lzma -c tree/key.gz > out", "lzma"),
    "lzip": Row("lzip -c tree/key.gz > out", "lzip"),
    "zstd": Row("zstd -q -c tree/key.gz > out", "zstd"),
    "lz4": Row("lz4 -q -c tree/key.gz > out", "lz4"),
    "lz4 legacy": Row("lz4 -q -l -c tree/key.gz > out", "lz4"),
    "zlib": Row(
        "python3 -c 'import sys,zlib;sys.stdout.buffer.write("
        'zlib.compress(open("tree/key.gz","rb").read()*1))\' > out',
        "zlib",
    ),
}

HEX: Mapping[str, Row] = {
    "xxd": _hex("xxd"),
    "xxd in words": _hex("xxd -c 32 -g 4 -u"),
    "hexdump": _hex("hexdump"),
    "hexdump -C": _hex("hexdump -C"),
    "od -x": _hex("od -x"),
    "od -t x1": _hex("od -t x1"),
    "od -A d -t x1z": _hex("od -A d -t x1z"),
    "od -A x -t x1": _hex("od -A x -t x1"),
    "Intel HEX": Row("objcopy -I binary -O ihex tree/key.gz out", "hex records"),
    "S-records": Row("objcopy -I binary -O srec tree/key.gz out", "hex records"),
}

ARCHIVES: Mapping[str, Row] = {
    "tar ustar": _tar("-H ustar"),
    "tar gnu": _tar("-H gnu"),
    "tar pax": _tar("-H posix"),
    "tar v7": _tar("-H v7"),
    "cpio newc": _cpio("newc"),
    "cpio crc": _cpio("crc"),
    "cpio odc": _cpio("odc"),
    "cpio bin": _cpio("bin"),
    "ar": Row("ar rc out tree/clean.txt tree/key.gz", "key.gz"),
    "deb": Row(
        "mkdir -p p/DEBIAN p/opt; cp tree/key.gz p/opt; "
        "printf 'Package: a\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: a\\n'"
        " > p/DEBIAN/control; dpkg-deb -Zxz --build p out >/dev/null",
        "data.tar.xz!xz!./opt/key.gz",
    ),
    "rpm": Row(
        'sed "s|PWD|$PWD|" spec.in > s.spec; rpmbuild -bb --quiet --define "_topdir $PWD/rpm" '
        '--define "__os_install_post %{nil}" s.spec >/dev/null 2>&1; mv rpm/RPMS/*/*.rpm out',
        "payload!gzip!./opt/key.gz",
    ),
    "zip deflate": _zip("-9"),
    "zip store": _zip("-0"),
    "zip bzip2": _zip("-Z bzip2"),
    "zip streamed": Row("cd tree; cat key.gz | zip -q - - > ../out", "-"),
    "zip streamed, stored": Row("cd tree; cat key.gz | zip -q -0 - - > ../out", "-"),
    "zip lzma": _seven("-mm=LZMA", "zip"),
    "zip deflate64": _seven("-mm=Deflate64", "zip"),
    "zip behind a script": Row(
        "cd tree; zip -q -9 ../o.zip key.gz clean.txt; (seq 9; cat ../o.zip) > ../out", "key.gz"
    ),
    "7z lzma2": _seven(""),
    "7z lzma": _seven("-m0=lzma"),
    "7z bzip2": _seven("-m0=bzip2"),
    "7z deflate": _seven("-m0=deflate"),
    "7z deflate64": _seven("-m0=deflate64"),
    "7z copy": _seven("-m0=copy"),
    "7z bcj": _seven("-m0=bcj -m1=lzma"),
    "7z delta": _seven("-m0=delta:4 -m1=lzma2"),
    "7z not solid": _seven("-ms=off"),
    "7z with its header packed": _seven("-mhc=on"),
    "iso plain": Row("genisoimage -quiet -o out tree 2>/dev/null", "KEY.GZ"),
    "iso Joliet": Row("genisoimage -quiet -J -o out tree 2>/dev/null", "key.gz"),
    "iso Rock Ridge": Row("genisoimage -quiet -R -J -o out tree 2>/dev/null", "key.gz"),
    "iso by xorriso": Row("xorriso -as mkisofs -quiet -r -o out tree 2>/dev/null", "key.gz"),
    "squashfs gzip": _squashfs("gzip"),
    "squashfs xz": _squashfs("xz"),
    "squashfs lz4": _squashfs("lz4"),
    "squashfs zstd": _squashfs("zstd"),
    "AppImage": Row(
        "mksquashfs tree s -quiet -no-progress -all-root; cat /bin/true s > out",
        "overlay!key.gz",
    ),
    "self-extractor": Row(
        "cd tree; 7z a -bd ../s.7z key.gz clean.txt >/dev/null; cat /bin/true ../s.7z > ../out",
        "overlay!key.gz",
    ),
    "ext2": _ext("ext2"),
    "ext3": _ext("ext3 -b 1024"),
    "ext4": _ext("ext4"),
    "ext4 inline": _ext("ext4 -I 1024 -O inline_data"),
    "ext4 bigalloc": _ext("ext4 -O bigalloc -C 16384"),
    "qcow2": _disk("-O qcow2"),
    "qcow2 compressed": _disk("-c -O qcow2"),
    "qcow2 compressed by zstd": _disk("-c -O qcow2 -o compression_type=zstd"),
    "qcow2 version 2": _disk("-O qcow2 -o compat=0.10"),
    "qcow2 snapshot": Row(
        f"{_DISK}; qemu-img convert -O qcow2 disk out; qemu-img snapshot -c now out;"
        "qemu-io -c 'write -q -P 0 0 4M' out >/dev/null",
        "snapshot now!key.gz",
    ),
    "vmdk sparse": _disk("-O vmdk"),
    "vmdk streamed": _disk("-O vmdk -o subformat=streamOptimized"),
    "vdi": _disk("-O vdi"),
    "MBR": Row(
        f"{_DISK}; truncate -s 6M out; dd if=disk of=out bs=1M seek=1 conv=notrunc status=none;"
        "echo 'start=2048,type=83' | sfdisk -q out",
        "partition 1!key.gz",
    ),
    "GPT": Row(
        f"{_DISK}; truncate -s 6M out; dd if=disk of=out bs=1M seek=1 conv=notrunc status=none;"
        "printf 'label: gpt\\nstart=2048,size=8192,name=data\\n' | sfdisk -q out",
        "partition 1 data!key.gz",
    ),
    "SQLite": Row(
        'sqlite3 out "pragma page_size=512; create table t(a,b); insert into t values(1,'
        "readfile('tree/key.gz'))\"",
        "",
    ),
    "git loose object": Row(_GIT + "cp .git/objects/$(git rev-parse :key.gz | "
                            "sed 's|^..|&/|') ../out", "zlib!blob"),
    "git pack": Row(_GIT + "git gc -q; cp .git/objects/pack/*.pack ../out", ""),
    "git bundle": Row(_GIT + "git bundle create -q ../out --all", ""),
    "docker image": Row(
        "tar -C tree -cf layer.tar key.gz; mkdir -p i/0; cp layer.tar i/0/; echo '[]' > "
        "i/manifest.json; tar -C i -cf out 0/layer.tar manifest.json",
        "0/layer.tar!key.gz",
    ),
    "OCI image": Row(
        "tar -C tree -cf - key.gz | zstd -q > l; d=$(sha256sum l | cut -d' ' -f1); mkdir -p "
        "i/blobs/sha256; mv l i/blobs/sha256/layer; echo '{}' > i/oci-layout; "
        "tar -C i -cf out oci-layout blobs/sha256/layer",
        "blobs/sha256/layer!zstd!key.gz",
    ),
    "mail": Row("python3 mail.py > out", "key.gz"),
    "mailbox": Row("(echo 'From a Thu Jan 1 00:00:00 1970'; python3 mail.py) > out", "key.gz"),
}  # fmt: skip

ENCRYPTED: Mapping[str, Row] = {
    "zip": _zip("-P secret"),
    "zip AES": _seven("-psecret -mem=AES256", "zip"),
    "7z": _seven("-psecret"),
    "7z with its names": _seven("-psecret -mhe=on"),
    "qcow2 LUKS": Row(
        "qemu-img create -q -f qcow2 out 1M; "
        "printf '\\0\\0\\0\\2' | dd of=out bs=1 seek=32 conv=notrunc status=none",
        "",
    ),
}

UNSUPPORTED: Mapping[str, Row] = {
    "7z PPMd": _seven("-m0=ppmd"),
    "zip PPMd": _seven("-mm=PPMd", "zip"),
    "squashfs lzo": _squashfs("lzo"),
    "qcow2 on a backing file": Row(f"{_DISK}; qemu-img create -q -f qcow2 -b disk -F raw out", ""),
    "vmdk in two files": _disk("-O vmdk -o subformat=monolithicFlat"),
}

_MAIL = """
from email.message import EmailMessage
mail = EmailMessage()
mail["Subject"], mail["From"], mail["To"] = "test", "a@example.org", "b@example.org"
mail.set_content("see the file")
for name in ("clean.txt", "key.gz"):
    mail.add_attachment(open("tree/" + name, "rb").read(), maintype="application",
                        subtype="octet-stream", filename=name)
print(mail.as_string())
"""


@cache
def pack(row: Row, content: bytes) -> bytes:
    """What the row's command makes, with ``content`` packed in ``key.gz``."""
    with TemporaryDirectory(prefix="lockgate-pack-") as name:
        folder = Path(name)
        (folder / "tree" / "sub").mkdir(parents=True)
        (folder / "tree" / "key.gz").write_bytes(gzip.compress(content, mtime=0))
        (folder / "tree" / "clean.txt").write_bytes(CLEAN)
        (folder / "tree" / "sub" / "note").write_bytes(b"a note\n")
        (folder / "mail.py").write_text(_MAIL)
        (folder / "spec.in").write_text(_SPEC)
        environment = {"PATH": os.environ["PATH"], "HOME": name, "LC_ALL": "C.UTF-8"}
        environment["PATH"] += ":/sbin:/usr/sbin"
        command = ["bash", "-ec", row.command]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
        return (folder / "out").read_bytes()
