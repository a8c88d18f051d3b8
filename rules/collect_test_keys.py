"""Make ``lockgate/formats/published_test_keys.txt``: fingerprints of keys that everybody has.

Usage::

    python rules/collect_test_keys.py ORIGIN=PATH... > published_test_keys.txt

Each PATH (a file or folder) is scanned with the shipped formats; every proven private key in
it is listed under ORIGIN, the name of the public package that it came from. Only packages
that anybody can download may be given: the list turns their keys into warnings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.prove import edwards
from lockgate.scan.report import FindingClass, FindingKind

_HEADER = """\
# Published test keys: the public fingerprint and the package or standard that publishes the
# private key. Made by rules/collect_test_keys.py; holds no private byte.
"""

#: Public keys of examples in standards: algorithm, public key in hex, origin.
_STANDARDS = (
    ("Ed25519", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "RFC 8032"),
    ("Ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "RFC 8032"),
    ("Ed25519", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "RFC 8032"),
    ("Ed25519", "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1", "RFC 8410"),
    ("X25519", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", "RFC 7748"),
    ("X25519", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", "RFC 7748"),
)


def main(arguments: list[str]) -> int:
    """Print the list; returns the exit code."""
    if not arguments or not all("=" in a for a in arguments):
        sys.stderr.write(__doc__ or "")
        return 2
    keys = {
        edwards.fingerprint(algorithm, bytes.fromhex(public)): f"{origin} {algorithm}"
        for algorithm, public, origin in _STANDARDS
    }
    scanner = standard_scanner()
    for argument in arguments:
        origin, _, place = argument.partition("=")
        for fingerprint, label in _keys_below(scanner, Path(place)):
            keys.setdefault(fingerprint, f"{origin} {label}")
    lines = sorted(f"{fingerprint} {origin}\n" for fingerprint, origin in keys.items())
    sys.stdout.write(_HEADER + "".join(sorted(lines, key=lambda x: x.partition(" ")[2])))
    return 0


def _keys_below(scanner: Scanner, place: Path) -> Iterator[tuple[str, str]]:
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            report = scanner.scan_fd(descriptor, path.name)
        finally:
            os.close(descriptor)
        for finding in report.findings:
            listed = finding.class_ in {FindingClass.PRIVATE, FindingClass.TEST}
            if listed and finding.kind is FindingKind.PRIVATE_KEY:
                yield finding.fingerprint, f"{path.name} {finding.algorithm} {finding.bits}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
