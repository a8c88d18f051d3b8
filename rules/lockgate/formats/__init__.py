"""What key material looks like and how it is proven: one folder for each key format.

A format is a folder with ``rule.yar``, ``prover.py`` and ``FORMAT``, and one line in ``ALL``.
"""

from __future__ import annotations

from lockgate.formats import dsa, openssh, pem, pkcs1, pkcs8, sec1
from lockgate.scan.evidence import Format

#: Every format, in the order in which places of one key are listed.
ALL: tuple[Format, ...] = (
    pem.FORMAT,
    openssh.FORMAT,
    pkcs8.FORMAT,
    pkcs1.FORMAT,
    sec1.FORMAT,
    dsa.FORMAT,
)
