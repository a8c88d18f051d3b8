"""What readers, and libraries under them, import only when a file needs it.

So a scan of a small file starts fast.

Rule enforced here: a process that will lose its file system (a confined worker) imports all of it
first; a test compares this list with the code.
"""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "cramjam",
    "cryptography.hazmat.backends.openssl.backend",
    "cryptography.hazmat.primitives.serialization.pkcs12",
    "cryptography.x509",
    "lockgate.scan.containers.inflate64",
    "lockgate.scan.containers.unzstd",
    "lz4.block",
    "lz4.frame",
    "lzallright",
    "numpy.ma",
)


def import_all() -> None:
    """Import everything that is otherwise imported late.

    Raises:
        ImportError: the installation is not complete.
    """
    for name in MODULES:
        import_module(name)
