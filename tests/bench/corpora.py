"""The bytes that the scan benchmark reads: real cores of real processes, and plain files.

Nothing of lockgate is imported. Everything is made at run time and deterministic but for the
keys and the addresses.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

DENSE_PROGRAM = """
import os, random, resource, zlib, hashlib, sys
from cryptography.hazmat.primitives.asymmetric import rsa, padding
from cryptography.hazmat.primitives import hashes
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
rnd = random.Random(1)
records = [{"id": i, "name": f"user-{i}", "score": rnd.random()} for i in range(500_000)]
words = ("alpha", "beta", "gamma", "delta")
text = [" ".join(rnd.choice(words) for _ in range(40)) for _ in range(200_000)]
blobs = [zlib.compress(repr(records[i * 50:(i + 1) * 50]).encode()) for i in range(10_000)]
noise = rnd.randbytes(16 << 20)
digests = [hashlib.sha256(str(i).encode()).digest() for i in range(100_000)]
print("READY", flush=True)
sys.stdin.readline()
"""

SPARSE_PROGRAM = """
import mmap, resource, sys
from cryptography.hazmat.primitives.asymmetric import rsa, padding
from cryptography.hazmat.primitives import hashes
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
arena = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for place in range(0, 1 << 30, 1 << 20):
    arena[place:place + 64] = b"live object in a large, mostly empty arena".ljust(64, b".")
print("READY", flush=True)
sys.stdin.readline()
"""


def core_of(program: str, folder: Path) -> Path:
    """Run ``program`` until it says READY and take its core."""
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != b"READY":
        raise RuntimeError("the benchmark program did not start")
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern[:1] in {"|", "@", "/", ""}:
        command = ["gcore", "-o", str(folder / "core"), str(process.pid)]
        subprocess.run(command, check=True, capture_output=True)
        process.kill()
    else:
        process.send_signal(signal.SIGABRT)
    process.wait()
    (core,) = folder.glob("core*")
    return core


def random_file(folder: Path, megabytes: int = 256) -> Path:
    """Random bytes: the worst case of every search that looks at entropy."""
    target = folder / "random"
    with target.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(1 << 20))
    return target


def text_file(folder: Path, megabytes: int = 256) -> Path:
    """Lines of a web server's log, with tokens and digests that look random."""
    target, chance = folder / "text", random.Random(5)
    with target.open("w") as out:
        while out.tell() < megabytes << 20:
            lines = (
                f"2026-11-21T12:{i % 60:02}:07 10.0.{chance.randrange(256)}.7 GET "
                f"/users/{chance.randrange(1 << 30)}/items?etag={chance.getrandbits(160):x} 200\n"
                for i in range(10_000)
            )
            out.writelines(lines)
    return target


def library_folder(folder: Path, megabytes: int = 200) -> Path:
    """Copies of this machine's shared libraries up to 10 MB, the largest first, to a total size."""
    target = folder / "libraries"
    target.mkdir()
    room = megabytes << 20
    found = [p for p in Path("/usr/lib").rglob("*.so*") if re.search(r"\.so(\.|$)", p.name)]
    sizes = {p: p.stat().st_size for p in found if p.is_file() and not p.is_symlink()}
    for number, (library, size) in enumerate(sorted(sizes.items(), key=lambda pair: -pair[1])):
        if size <= min(room, 10 << 20):
            shutil.copyfile(library, target / f"{number}-{library.name}")
            room -= size
    return target


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
