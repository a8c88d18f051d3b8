"""Unit and container are read from a control group's path, and cannot be forged from within."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard.cgroups import cgroup_of, container_of, unit_of

ID = "0123456789abcdef" * 4
OTHER = "f" * 64


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "user@1000.service"),
        ("/init.scope", "init.scope"),
        ("/system.slice/_cpu.service", "cpu.service"),
        ("/system.slice", ""),
        ("/kubepods/besteffort/x.service", ""),
        ("/../../nginx.service", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_the_unit_is_the_systems(path: str, unit: str) -> None:
    """The outermost unit counts; groups that a user made below it do not."""
    assert unit_of(path) == unit


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"/system.slice/docker-{ID}.scope/docker/{OTHER}",
        f"/kubepods.slice/kubepods-burstable-pod1_2.slice/cri-containerd-{ID}.scope",
        f"/kubepods/burstable/pod3f1d/{ID}",
        f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}",
        f"/kubepods.slice/crio-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/machine.slice/libpod-conmon-{OTHER}.scope/libpod-{ID}",
        f"/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope",
    ],
)
def test_the_container_is_the_outermost(path: str) -> None:
    """Docker, containerd, CRI-O, Podman and Kubernetes, with both cgroup drivers."""
    assert container_of(path) == ID


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/machine.slice/machine-web.scope", "web"),
        ("/lxc.payload.db/system.slice", "db"),
        ("/system.slice/nginx.service", ""),
        (f"/machine.slice/libpod-conmon-{ID}.scope", ""),
    ],
)
def test_machines_have_names_and_services_none(path: str, name: str) -> None:
    """LXC and nspawn are named; a plain service and a container's monitor are no container."""
    assert container_of(path) == name


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/a.service\n", "/system.slice/a.service"),
        ("9:name=systemd:/system.slice/a.service\n4:memory:/x\n0::/\n", "/system.slice/a.service"),
        ("4:memory:/docker/1\n1:cpu:/\n0::/\n", "/docker/1"),
        ("0::/with:colon\n", "/with:colon"),
        ("0::/\n", "/"),
        ("", ""),
    ],
)
def test_the_hierarchy_that_tells_most_is_read(text: str, path: str) -> None:
    """Unified, then systemd's own, then any that is not its root."""
    assert cgroup_of(text) == path


@given(st.text(alphabet="/.:-_abcdefscopervice\n0123456789", max_size=120))
def test_no_text_raises(text: str) -> None:
    """Whatever a group is called, the answers are strings without a slash."""
    path = cgroup_of(text)
    assert "/" not in unit_of(path)
    assert "/" not in container_of(path)
