"""Settle logins by the structure of their files.

Sources: Docker's config.json (``auths``: base64 of user, colon, password); npm's .npmrc
(``//registry/:_authToken=``); kubeadm-join(1) (bootstrap tokens: RFC-less, six and sixteen
characters); netrc(5).

Rules enforced here:

1. A password is a finding only where the file's structure is complete around it and the
   password looks random: manuals are full of structure with words in it.
2. Passwords are weak secrets: their fingerprint is keyed with the site's salt, without one with
   a salt of this process only.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from importlib import resources

from lockgate.formats.plain_text import (
    decode_base64,
    looks_random_text,
    text_around,
    unescaped,
)
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted
from lockgate.scan.report import FindingClass, FindingKind, Proof
from lockgate.scan.salt import Salt

NAME = "logins"

_BEFORE, _AFTER = 4096, 1024
_DOCKER = re.compile(rb"\"auth\s*\"\s*:\s*\"([0-9A-Za-z+/]{8,1000}={0,2})\s*\"")
_DOCKER_CONTEXT = re.compile(rb"\"auths\s*\"\s*:\s*\{|\.dockerconfigjson|docker\.io")
_NPM = re.compile(rb":_authToken *= *[\"']?([0-9A-Za-z_=+/.-]{20,400})")
_KUBEADM = re.compile(
    rb"kubeadm join [^\n]{1,200}?--token[ =]([0-9a-z]{6}\.[0-9a-z]{16})(?![0-9a-z])"
)
_NETRC = re.compile(rb"\slogin\s+(?!anonymous\s|ftp\s)(\S{1,64})\s+password\s+(\S{8,200})")
_MACHINE = re.compile(rb"(?:^|\s)(?:machine\s+\S{1,200}|default)\s*$")
_LEAST_PASSWORD = 8
#: Alphabets of passwords that programs make, and how many characters each has.
_ALPHABETS = ((re.compile(rb"[0-9a-fA-F-]+"), 16), (re.compile(rb"[0-9a-z.-]+"), 36))


@dataclass(frozen=True, slots=True)
class LoginFormat:
    """The format, with the salt of its fingerprints."""

    name: str = NAME
    reach: tuple[int, int] = (2 * _BEFORE, 2 * _AFTER)
    salt: Salt = field(default_factory=lambda: Salt(os.urandom(32)), repr=False)

    @property
    def rule_source(self) -> str:
        """The text of ``rule.yar``."""
        return (resources.files(__package__) / "rule.yar").read_text(encoding="ascii")

    def salted(self, salt: Salt) -> LoginFormat:
        """The same format with the site's salt."""
        return replace(self, salt=salt)

    def prove(self, candidate: Candidate) -> Judgement:
        """Settle a match of one of the rules."""
        text = text_around(candidate, _BEFORE, _AFTER)
        found = _find(candidate.rule, unescaped(text.data), text.index)
        if found is None or not _looks_random(found.secret):
            return Refuted("no login with a random password")
        return Proven((self._evidence(found, *text.span(found.start, found.stop)),))

    def _evidence(self, found: _Login, offset: int, length: int) -> Evidence:
        return Evidence(
            NAME, FindingKind.CREDENTIAL, FindingClass.CREDENTIAL, found.name, 0,
            self.salt.fingerprint(found.secret), offset, length, (Proof.SECRET_IN_STRUCTURE,),
        )  # fmt: skip


def _looks_random(secret: bytes) -> bool:
    """Whether a program made the password, from the smallest alphabet that has its characters."""
    sizes = (size for alphabet, size in _ALPHABETS if alphabet.fullmatch(secret))
    return looks_random_text(secret, next(sizes, 62), may_be_words=True)


@dataclass(frozen=True, slots=True)
class _Login:
    """A password and the place of its text."""

    name: str
    secret: bytes = field(repr=False)
    start: int
    stop: int


def _find(rule: str, text: bytes, at: int) -> _Login | None:
    match rule:
        case "logins_docker":
            return _docker(text, at)
        case "logins_npm":
            return _plain("npm registry login", _NPM.match(text, at))
        case "logins_kubeadm":
            return _plain("Kubernetes bootstrap token", _KUBEADM.match(text, at))
        case "logins_netrc":
            return _netrc(text, at)
    return None


def _plain(name: str, found: re.Match[bytes] | None) -> _Login | None:
    return None if found is None else _Login(name, found[1], *found.span(1))


def _docker(text: bytes, at: int) -> _Login | None:
    found = _DOCKER.match(text, at) or _DOCKER.match(text, at - 1)
    if found is None or _DOCKER_CONTEXT.search(text) is None:
        return None
    user, colon, password = (decode_base64(found[1]) or b"").partition(b":")
    if not user or not colon or not password.isascii() or len(password) < _LEAST_PASSWORD:
        return None
    return _Login("Docker registry login", password, *found.span(1))


def _netrc(text: bytes, at: int) -> _Login | None:
    found = _NETRC.match(text, at)
    if found is None or _MACHINE.search(text, max(0, at - 300), at) is None:
        return None
    return _Login("netrc login", found[2], *found.span(2))
