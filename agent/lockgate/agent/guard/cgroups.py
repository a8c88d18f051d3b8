"""Which systemd unit and which container a control group belongs to.

Rules enforced here:

1. Names are read from the outside in, as systemd's cg_path_get_unit does: below its own unit
   a delegated service, a user or a container may make groups of any name.
2. A path that is none of those we know names nothing; nothing here raises.

Forms: systemd.slice(5) and systemd.scope(5); Docker, containerd (CRI), CRI-O, Podman and
Kubernetes with both of their cgroup drivers; LXC and systemd-nspawn by machine name.
"""

from __future__ import annotations

import re

_UNIT = re.compile(r"[^/]+\.(?:service|scope|socket|mount|swap)")
_CONTAINER = re.compile(r"(?:[a-z]+-)*([0-9a-f]{64})(?:\.scope)?")
_MACHINE = re.compile(r"(?:lxc\.payload[.-]|machine-)(.+?)(?:\.scope)?")
_MONITOR = "conmon"


def cgroup_of(text: str) -> str:
    """The one path that tells most of ``text``, the content of /proc/PID/cgroup (cgroups(7)).

    That of the unified hierarchy, else of systemd's own, else of the first that is not its root.
    """
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path and path != "/":
            paths.setdefault(controllers, path)
    for first in ("", "name=systemd"):
        if first in paths:
            return paths[first]
    return next(iter(paths.values()), "/" if text else "")


def unit_of(cgroup: str) -> str:
    """The system's unit: a user's own units are all part of ``user@UID.service``."""
    for name in _names(cgroup):
        if name.endswith(".slice"):
            continue
        return _unescaped(name) if _UNIT.fullmatch(name) else ""
    return ""


def container_of(cgroup: str) -> str:
    """The container's id (64 hex digits), or the name of an LXC container or nspawn machine."""
    for name in _names(cgroup):
        if _MONITOR in name:
            continue
        if found := _CONTAINER.fullmatch(name) or _MACHINE.fullmatch(name):
            return found[1]
        if found := re.fullmatch(r"cri-containerd:([0-9a-f]{64})", name.rpartition(".slice:")[2]):
            return found[1]
    return ""


def _names(cgroup: str) -> list[str]:
    """The parts of a path; one that leads out of our own cgroup namespace has none."""
    parts = [part for part in cgroup.split("/") if part]
    return [] if ".." in parts else parts


def _unescaped(name: str) -> str:
    """Systemd puts "_" before a name that the kernel would take for one of its own files."""
    return name.removeprefix("_")
