"""The change of kind ``protected-key``: what it takes, and what it does to the store."""

from dataclasses import replace
from datetime import date

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller import clock
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.known_keys import LiveKeys
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.registry import keys
from lockgate.controller.registry.change import ProtectedKeyChange, read, write
from lockgate.scan.protected import Anchor, KeyRecord, ProtectedKey, protected_key
from lockgate.scan.registry import Registry, RegistryError
from lockgate.scan.registry_files import read_entries

PRINT = "sha256:" + "ab" * 32
RECORD = KeyRecord("team", ("signing",), "tokens", date(2026, 1, 31), "rotate", ("pager",))
RSA = protected_key("rsa", rsa.generate_private_key(65537, 2048).public_key())
KEYS = (
    replace(RSA, record=RECORD),
    protected_key("ec", ec.generate_private_key(ec.SECP256R1()).public_key()),
    ProtectedKey("salted", "hmac-sha256:" + "12" * 32, "secret", 64),
    ProtectedKey("secret", "sha256:" + "34" * 32, "secret", 256, anchor=Anchor(32, 77)),
)


def apply(engine, ledger, content):
    """Make a change."""
    with engine.begin() as connection:
        approval = Approval("change-1", "a", "b")
        assert ProtectedKeyChange().check(connection, content) is None
        ProtectedKeyChange().apply(connection, ledger, content, approval, clock.now())


def stored(engine):
    """The keys in force."""
    with engine.begin() as connection:
        return [row.key for row in keys.registered(connection)]


def test_every_form_of_key_survives_the_store(engine, remembering_ledger):
    """What is stored is what a scan reads of its export; each key is in the ledger."""
    apply(engine, remembering_ledger, write(KEYS))
    bare = [replace(key, rsa=None, public_values=()) for key in KEYS]
    assert stored(engine) == sorted(bare, key=lambda key: key.name)
    assert [e["fingerprint"] for e in remembering_ledger.entries] == [k.fingerprint for k in KEYS]
    live = LiveKeys([])
    with engine.begin() as connection:
        assert live.refresh(connection)
        assert not live.refresh(connection)
    fetched = Registry.of(read_entries(live.current.file.content, "fetched"))
    without = {replace(key, record=KeyRecord()) for key in KEYS}
    assert set(fetched) == without


def test_a_key_is_replaced_removed_and_put_again(engine, remembering_ledger):
    """Each is seen by who follows the registry; removing what is not there is refused."""
    live = LiveKeys([ProtectedKey("in the settings", "sha256:" + "00" * 32)])
    seen = []
    first, second = ProtectedKey("one", PRINT), ProtectedKey("two", PRINT)
    for content in (write([first]), write([second]), write(remove=[PRINT]), write([first])):
        apply(engine, remembering_ledger, content)
        with engine.begin() as connection:
            assert live.refresh(connection)
        seen.append(live.current.protected.name_of(PRINT))
        assert len(live.current.protected) == (1 if seen[-1] is None else 2)
    assert seen == ["one", "two", None, "one"]
    with engine.begin() as connection:
        unknown = write(remove=["sha256:" + "99" * 32])
        refusal = ProtectedKeyChange().check(connection, unknown)
    assert refusal.reason is RefusalReason.NOT_FOUND


def test_a_change_is_made_as_a_whole_and_says_what_it_is(engine, remembering_ledger):
    """Puts and removes together; the summary is bounded."""
    apply(engine, remembering_ledger, write([ProtectedKey("old", PRINT)]))
    many = [ProtectedKey(f"key {n}", f"sha256:{n:064x}") for n in range(50)]
    content = write(many, [PRINT])
    said = ProtectedKeyChange().summary(content)
    assert said.startswith("put key 0, key 1")
    assert f"and 45 more; remove {PRINT}" in said
    apply(engine, remembering_ledger, content)
    assert len(stored(engine)) == 50


PRIVATE = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[[key",
        b"a = " + b"[" * 100_000,
        b"remove = 1",
        b"remove = [1]",
        b"[key]\nname = 'x'",
        b"[other]",
        b"[[key]]\nname = 'x'",
        b"[[key]]\nname = 'x'\nfingerprint = 'sha256:1'",
        b"[[key]]\nname = 'x'\nspki = 'AAAA'",
        b"[[key]]\nname = 'x'\nownr = 'y'\nfingerprint = '" + PRINT.encode() + b"'",
        b"[[key]]\nname = 'lockgate-canary'\nfingerprint = '" + PRINT.encode() + b"'",
        b"[[key]]\nname = 'x'\nbits = 99999999999999999999\nfingerprint = '"
        + PRINT.encode()
        + b"'",
        PRIVATE,
        b"[[key]]\nname = 'x'\nspki = '''" + b"".join(PRIVATE.splitlines()[1:-1]) + b"'''",
    ],
)
def test_a_wrong_content_is_refused_as_a_whole(engine, content):
    """As malformed; nothing of a private key is quoted."""
    with engine.begin() as connection:
        refusal = ProtectedKeyChange().check(connection, content)
    assert refusal.reason is RefusalReason.MALFORMED
    assert PRIVATE.splitlines()[1].decode()[:20] not in refusal.detail


@given(st.binary() | st.text().map(lambda text: f"[[key]]\n{text}".encode()))
def test_reading_a_content_never_raises_anything_else(content):
    """A change or a RegistryError."""
    try:
        read(content)
    except RegistryError:
        return


def test_a_private_key_that_escapes_spell_is_refused():
    """TOML and JSON write letters in more than one way."""
    table = f'[[key]]\nname = "n"\nfingerprint = "{PRINT}"\non_leak = "BEGIN PRIV\\u0041TE KEY"\n'
    with pytest.raises(RegistryError, match="private key"):
        read(table.encode())
