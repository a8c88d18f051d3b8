"""Our own form of a registry: TOML, one ``[[key]]`` table for each protected key.

Rules enforced here: those of ``lockgate.scan.registry``, and:

1. What is written by :func:`to_toml` is read again as the same keys.
2. What people wrote down of a key (:class:`KeyRecord`) is checked and kept, and no scan reads it.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key

from lockgate.scan.names import escape_name
from lockgate.scan.protected import Anchor, KeyRecord, ProtectedKey
from lockgate.scan.registry_entry import RegistryError, read_key, refuse_private
from lockgate.scan.secrets import LEAST_BYTES, MOST_BYTES

#: The keys of a ``[[key]]`` table: what a scan reads, and what people wrote down.
TOML_KEYS = ("name", "fingerprint", "spki", "algorithm", "bits", "length", "anchor")
RECORD_KEYS = ("owner", "zones", "signs", "made", "on_leak", "hooks")

_KNOWN = (*TOML_KEYS, *RECORD_KEYS)
_FINGERPRINT = re.compile(r"(hmac-)?sha256:[0-9a-f]{64}")
_ANCHOR = re.compile(r"[0-9a-f]{6}")
#: Bytes of one text of a record, and elements of one of its lists.
_LONGEST_TEXT, _LONGEST_LIST = 1024, 100
_MOST_BITS = 1 << 20


def to_toml(keys: Iterable[ProtectedKey]) -> str:
    """The keys as tables; a JSON string is a TOML basic string (names are escaped already)."""
    return "".join(_table(key) for key in keys)


def fields_of(key: ProtectedKey) -> dict[str, Any]:
    """One key as plain values, under the names of :data:`TOML_KEYS` and :data:`RECORD_KEYS`."""
    record = key.record
    return {
        "name": key.name,
        "fingerprint": key.fingerprint,
        "algorithm": key.algorithm,
        "bits": key.bits,
        "spki": None if key.spki is None else base64.b64encode(key.spki).decode(),
        "length": None if key.anchor is None else key.anchor.length,
        "anchor": None if key.anchor is None else f"{key.anchor.tag:06x}",
        "owner": record.owner,
        "zones": list(record.zones),
        "signs": record.signs,
        "made": None if record.made is None else record.made.isoformat(),
        "on_leak": record.on_leak,
        "hooks": list(record.hooks),
    }


def _table(key: ProtectedKey) -> str:
    shown = {name: value for name, value in fields_of(key).items() if value}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in shown.items()]
    return "\n".join(("[[key]]", *lines, "", ""))


def from_toml(content: bytes, source: str) -> Iterator[ProtectedKey]:
    """The keys of a file in this form.

    Raises:
        RegistryError: it is not, or a table is wrong; the first fault is named.
    """
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise RegistryError(f"{source}: neither text nor a DER public key") from None
    except RecursionError:
        raise RegistryError(f"{source}: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(
            f"{source}: no certificate, public key, JWKS, ssh line or TOML: {_said(error)}"
        ) from None
    return from_document(document, source)


def _said(error: tomllib.TOMLDecodeError) -> str:
    """The objection without the keys that it may quote."""
    quoted = r"(declare|namespace|table key) .*(?=\(at )"
    return re.sub(quoted, r"\1 (not shown) ", str(error), flags=re.DOTALL)


def from_document(document: dict[str, Any], source: str) -> Iterator[ProtectedKey]:
    """The keys of a file in this form, as ``tomllib`` reads it.

    Raises:
        RegistryError: a table is wrong; the first fault is named.
    """
    for unknown in document.keys() - {"key"}:
        raise RegistryError(f'{source}: unknown table "{escape_name(unknown)}"; known is [[key]]')
    tables = document.get("key", [])
    if not isinstance(tables, list):
        raise RegistryError(f"{source}: write [[key]], not [key]")
    for number, table in enumerate(tables, start=1):
        where = f"{source}: [[key]] number {number}"
        if not isinstance(table, dict):
            raise RegistryError(f"{where}: is not a table")
        yield replace(_toml_entry(table, where), record=_record(table, where))


def _toml_entry(table: dict[str, Any], where: str) -> ProtectedKey:
    for unknown in sorted(table.keys() - set(_KNOWN)):
        near = difflib.get_close_matches(unknown, _KNOWN, 1, 0)[0]
        raise RegistryError(
            f'{where}: unknown key "{escape_name(unknown)}"; did you mean "{near}"?'
        )
    name, fingerprint, spki = (table.get(k) for k in ("name", "fingerprint", "spki"))
    if not isinstance(name, str) or not name:
        raise RegistryError(f'{where}: "name" is missing or not text')
    _checked(name, f'{where}: "name"')
    if fingerprint is None and spki is None:
        raise RegistryError(f'{where}: one of "fingerprint" and "spki" is needed')
    if fingerprint is not None and not _is_fingerprint(fingerprint):
        raise RegistryError(
            f'{where}: "fingerprint" is not "sha256:" or "hmac-sha256:" and 64 hex digits'
        )
    anchor = _anchor(table, where)
    if spki is None:
        assert isinstance(fingerprint, str)
        return ProtectedKey(
            escape_name(name),
            fingerprint,
            _text(table, "algorithm", where),
            _bits(table, where),
            anchor=anchor,
        )
    entry = _spki_entry(escape_name(name), spki, where)
    if fingerprint not in (None, entry.fingerprint):
        raise RegistryError(f'{where}: "fingerprint" is not that of "spki"')
    return entry


def _record(table: dict[str, Any], where: str) -> KeyRecord:
    return KeyRecord(
        owner=_text(table, "owner", where),
        zones=_texts(table, "zones", where),
        signs=_text(table, "signs", where),
        made=_day(table, "made", where),
        on_leak=_text(table, "on_leak", where),
        hooks=_texts(table, "hooks", where),
    )


def _text(table: dict[str, Any], name: str, where: str) -> str:
    return _checked(table.get(name, ""), f'{where}: "{name}"')


def _texts(table: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    values = table.get(name, [])
    if not isinstance(values, list) or len(values) > _LONGEST_LIST:
        raise RegistryError(f'{where}: "{name}" is not a list of at most {_LONGEST_LIST} texts')
    return tuple(dict.fromkeys(_checked(value, f'{where}: "{name}"') for value in values))


def _checked(value: object, where: str) -> str:
    """A text, escaped as names are."""
    if not isinstance(value, str) or len(escape_name(value).encode()) > _LONGEST_TEXT:
        raise RegistryError(f"{where} is not text of at most {_LONGEST_TEXT} bytes")
    return escape_name(value)


def _day(table: dict[str, Any], name: str, where: str) -> date | None:
    value = table.get(name)
    try:
        return None if value is None else date.fromisoformat(str(value)[:10])
    except ValueError:
        raise RegistryError(f'{where}: "{name}" is not a day such as 2026-01-31') from None


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None


def _bits(table: dict[str, Any], where: str) -> int:
    bits = table.get("bits", 0)
    if not isinstance(bits, int) or not 0 <= bits <= _MOST_BITS:
        raise RegistryError(f'{where}: "bits" is not a number from 0 to {_MOST_BITS}')
    return bits


def _anchor(table: dict[str, Any], where: str) -> Anchor | None:
    """What a symmetric secret is looked for by (``lockgate.scan.secrets``)."""
    length, anchor = table.get("length"), table.get("anchor")
    if length is None and anchor is None:
        return None
    if not str(table.get("fingerprint")).startswith("sha256:") or "spki" in table:
        raise RegistryError(f'{where}: "anchor" is for a secret with a "sha256:" fingerprint only')
    if not isinstance(length, int) or not LEAST_BYTES <= length <= MOST_BYTES:
        raise RegistryError(
            f'{where}: "length" is not a number of bytes from {LEAST_BYTES} to {MOST_BYTES}'
        )
    if not isinstance(anchor, str) or _ANCHOR.fullmatch(anchor) is None:
        raise RegistryError(f'{where}: "anchor" is not six hex digits')
    return Anchor(length, int(anchor, 16))


def _spki_entry(name: str, spki: object, where: str) -> ProtectedKey:
    try:
        encoded = base64.b64decode(str(spki), validate=True)
    except (binascii.Error, ValueError):
        raise RegistryError(f'{where}: "spki" is not base64') from None
    refuse_private(encoded, where)
    return read_key(name, lambda: load_der_public_key(encoded), where)
