"""Programs that anybody has: print, copy, pack, encode, compile."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

from tests.conformance.way import PATIENCE_S, Place, output_of, read_path, run, tool, way

_FAMILY = "tools"

tool("cat", _FAMILY, "cat", "{file}")
tool("dd", _FAMILY, "dd", "if={file}", "bs=512")
tool("dd iflag=direct", _FAMILY, "dd", "if={file}", "iflag=direct", "bs=4096")
tool("head", _FAMILY, "head", "-c", "100000", "{file}")
tool("tail", _FAMILY, "tail", "-c", "100000", "{file}")
tool("grep -a", _FAMILY, "grep", "-a", "ordinary", "{file}")
tool("sed", _FAMILY, "sed", "-n", "p", "{file}")
tool("awk", _FAMILY, "awk", "{{print}}", "{file}")
tool("sort", _FAMILY, "sort", "{file}")
tool("diff", _FAMILY, "diff", "/dev/null", "{file}")
tool("strings", _FAMILY, "strings", "{file}")
tool("perl", _FAMILY, "perl", "-pe", "1", "{file}")
tool("busybox cat", _FAMILY, "busybox", "cat", "{file}")
tool("busybox dd", _FAMILY, "busybox", "dd", "if={file}")
tool("sh redirection", _FAMILY, "sh", "-c", "cat < '{file}'")
tool("bash mapfile", _FAMILY, "bash", "-c", 'mapfile -t l < "{file}"; printf "%s\\n" "${{l[@]}}"')
tool("socat", _FAMILY, "socat", "-u", "FILE:{file}", "STDOUT")
tool("curl file://", _FAMILY, "curl", "-s", "file://{file}")
tool("tar", _FAMILY, "tar", "-cf", "-", "-C", "{zone}", "wanted")
tool("python3", _FAMILY, "python3", "-Ic", "print(open(r'{file}').read())")
tool("git diff --no-index", _FAMILY, "git", "diff", "--no-index", "/dev/null", "{file}")


@way("cp", _FAMILY)
def cp(place: Place) -> bytes:
    output_of("cp", place.file, place.elsewhere / "out")
    return read_path(place.elsewhere / "out")


@way("cp -a of the folder", _FAMILY)
def cp_folder(place: Place) -> bytes:
    output_of("cp", "-a", place.zone, place.elsewhere / "out")
    return read_path(place.elsewhere / "out" / "wanted")


@way("install", _FAMILY)
def install(place: Place) -> bytes:
    output_of("install", "-m", "600", place.file, place.elsewhere / "out")
    return read_path(place.elsewhere / "out")


@way("mv to another filesystem", _FAMILY)
def mv_away(place: Place) -> bytes:
    output_of("mv", place.file, place.elsewhere / "out")
    return read_path(place.elsewhere / "out")


@way("split", _FAMILY)
def split(place: Place) -> bytes:
    output_of("split", "-b", "1000", place.file, place.elsewhere / "part")
    return b"".join(read_path(path) for path in sorted(place.elsewhere.glob("part*")))


@way("xxd", _FAMILY)
def xxd(place: Place) -> bytes:
    return output_of("xxd", "-r", "-p", give=output_of("xxd", "-p", place.file))


@way("base64", _FAMILY)
def base64(place: Place) -> bytes:
    return output_of("base64", "-d", give=output_of("base64", place.file))


@way("openssl base64", _FAMILY)
def openssl_base64(place: Place) -> bytes:
    encoded = output_of("openssl", "base64", "-in", place.file)
    return output_of("base64", "-d", give=encoded)


@way("gzip", _FAMILY)
def gzip_stream(place: Place) -> bytes:
    packed = output_of("gzip", "-c", place.file)
    return gzip.decompress(packed) if packed else b""


@way("bzip2", _FAMILY)
def bzip2(place: Place) -> bytes:
    return output_of("bzip2", "-dc", give=output_of("bzip2", "-c", place.file))


@way("xz", _FAMILY)
def xz(place: Place) -> bytes:
    return output_of("xz", "-dc", give=output_of("xz", "-0c", place.file))


@way("zstd", _FAMILY)
def zstd(place: Place) -> bytes:
    return output_of("zstd", "-dqc", give=output_of("zstd", "-qc", place.file))


@way("tar -z", _FAMILY)
def tar_gzip(place: Place) -> bytes:
    packed = output_of("tar", "-czf", "-", "-C", place.zone, ".")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("./wanted")
        return member.read() if member else b""


@way("zip", _FAMILY)
def zip_archive(place: Place) -> bytes:
    packed = output_of("zip", "-q", "-", "wanted", cwd=place.zone)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read("wanted")


@way("7z", _FAMILY)
def seven_zip(place: Place) -> bytes:
    archive = place.elsewhere / "out.7z"
    output_of("7z", "a", "-mx0", archive, place.file)
    return output_of("7z", "x", "-so", archive)


@way("cpio", _FAMILY)
def cpio(place: Place) -> bytes:
    return output_of("cpio", "-o", "--quiet", give=b"wanted\n", cwd=place.zone)


@way("ar", _FAMILY)
def ar(place: Place) -> bytes:
    output_of("ar", "rc", place.elsewhere / "out.a", place.file)
    return read_path(place.elsewhere / "out.a")


@way("rsync", _FAMILY)
def rsync(place: Place) -> bytes:
    output_of("rsync", "-a", place.file, place.elsewhere / "out")
    return read_path(place.elsewhere / "out")


@way("git hash-object", _FAMILY)
def git(place: Place) -> bytes:
    run("git", "init", "-q", place.elsewhere)
    name = output_of("git", "hash-object", "-w", place.file, cwd=place.elsewhere).decode().strip()
    return output_of("git", "cat-file", "blob", name, cwd=place.elsewhere)


@way("assembler .incbin", _FAMILY)
def incbin(place: Place) -> bytes:
    source = f'.data\n.incbin "{place.file}"\n'
    output_of("as", "-o", place.elsewhere / "out.o", give=source.encode())
    return read_path(place.elsewhere / "out.o")


@way("mke2fs -d", _FAMILY)
def mke2fs(place: Place) -> bytes:
    image = place.elsewhere / "image"
    output_of("mke2fs", "-q", "-t", "ext2", "-d", place.zone, image, "1M")
    return read_path(image)


@way("objcopy", _FAMILY)
def objcopy(place: Place) -> bytes:
    words = ("objcopy", "-I", "binary", "-O", "elf64-x86-64", place.file)
    output_of(*words, place.elsewhere / "out.o")
    return read_path(place.elsewhere / "out.o")


@way("tee from a shell", _FAMILY)
def tee(place: Place) -> bytes:
    out = place.elsewhere / "out"
    with Path(out).open("wb") as target:
        command = ["sh", "-c", f"tee < '{place.file}'"]
        subprocess.run(command, stdout=target, timeout=PATIENCE_S, check=False)
    return read_path(out)
