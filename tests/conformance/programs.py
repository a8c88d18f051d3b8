"""The programs that ways use, by the Debian package that has them."""

from __future__ import annotations

import shutil

PROGRAMS = {
    "7z": "p7zip-full",
    "as": "binutils",
    "bindfs": "bindfs",
    "btrfs": "btrfs-progs",
    "busybox": "busybox",
    "bzip2": "bzip2",
    "cpio": "cpio",
    "curl": "curl",
    "fuse-overlayfs": "fuse-overlayfs",
    "ganesha.nfsd": "nfs-ganesha-vfs",
    "gcc": "gcc",
    "gcore": "gdb",
    "git": "git",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "nfs-cat": "libnfs-utils",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "rsync": "rsync",
    "socat": "socat",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
    "xfs_io": "xfsprogs",
    "xxd": "xxd",
    "xz": "xz-utils",
    "zip": "zip",
    "zstd": "zstd",
}


def missing_packages() -> list[str]:
    """What has to be installed first."""
    return sorted({PROGRAMS[name] for name in PROGRAMS if not shutil.which(name)})
