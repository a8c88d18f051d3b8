"""Compile the producers' sources with the real compilers, once per corpus."""

from __future__ import annotations

import threading
from pathlib import Path

from processes import require, run

_ONE_AT_A_TIME = threading.Lock()
#: Libraries by source file, as the linker names them.
_LIBRARIES = {
    "use_nettle.c": ("-lhogweed", "-lnettle", "-lgmp"),
    "use_gcrypt.c": ("-lgcrypt",),
    "keygrip.c": ("-lgcrypt",),
    "use_mbedtls.c": ("-lmbedcrypto",),
    "use_wolfssl.c": ("-lwolfssl",),
    "use_nss.c": ("-I/usr/include/nss", "-I/usr/include/nspr", "-lnss3", "-lnspr4"),
    "use_tomcrypt.c": ("-ltomcrypt", "-ltommath"),
    "use_sodium.c": ("-lsodium",),
    "use_botan.cpp": ("-I/usr/include/botan-2", "-lbotan-2"),
}


def compiled(source: Path, folder: Path) -> Path:
    """The program of a source file; for Java, the folder of its classes."""
    with _ONE_AT_A_TIME:
        return _kept(source, folder)


def _kept(source: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    if source.suffix == ".java":
        classes = folder / source.stem
        if not classes.exists():
            run("javac", "-d", str(classes), str(source))
        return classes
    target = folder / source.stem
    if not target.exists():
        _compile(source, target)
    return target


def _compile(source: Path, target: Path) -> None:
    if source.suffix == ".go":
        cache = {"GOCACHE": str(target.parent / "go-cache"), "GOFLAGS": "-mod=mod"}
        run("go", "build", "-o", str(target), str(source), GO111MODULE="off", **cache)
        return
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    require(compiler)
    flags = ("-O1", "-w", "-o", str(target), str(source))
    run(compiler, *flags, *_LIBRARIES[source.name])
