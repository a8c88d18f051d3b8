"""The authority's key in a PKCS#11 token: it signs there and never leaves it.

Rules enforced here:

1. The key is named by a PKCS#11 URI (RFC 7512): ``token`` and ``object`` in its path,
   ``module-path`` and ``pin-source`` (a file that only its owner may read) in its query. A PIN
   never stands in a setting.
2. The key is made in the token, sensitive and not extractable; one that is there is used only if
   it is ECDSA P-256.
3. A session that was lost is opened again, once for each signature; what fails then is an
   :class:`IdentityError` without the PIN.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lockgate.controller.identity.faults import IdentityError

_SCHEME = "pkcs11:"
_FILE = "file:"
_P256_OCTETS = 32


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is: library, label of the token, label of the key, file of the PIN."""

    module: str
    token: str
    label: str
    pin_file: Path


def parse(uri: str) -> KeyPlace:
    """The place that a PKCS#11 URI names.

    Raises:
        ValueError: it is not one, or something is missing; a PIN in it is refused.
    """
    if not uri.startswith(_SCHEME):
        raise ValueError("expected a PKCS#11 URI: pkcs11:token=...;object=...?module-path=...")
    path, _, query = uri.removeprefix(_SCHEME).partition("?")
    named = dict(part.partition("=")[::2] for part in path.split(";") if part)
    asked = dict(parse_qsl(query, separator="&"))
    if "pin-value" in asked:
        raise ValueError("a PIN has no place in a setting; use pin-source=file:...")
    source = asked.get("pin-source", "")
    found = {
        "token": unquote(named.get("token", "")),
        "object": unquote(named.get("object", "")),
        "module-path": asked.get("module-path", ""),
        "pin-source=file:": source.removeprefix(_FILE) if source.startswith(_FILE) else "",
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ValueError(f"the PKCS#11 URI lacks {', '.join(missing)}")
    module, pin_file = found["module-path"], Path(found["pin-source=file:"])
    return KeyPlace(module, found["token"], found["object"], pin_file)


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key of a token, as far as signing certificates needs one. Safe in threads."""

    def __init__(self, place: KeyPlace) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._session: Any = None
        self._public = self._read_public()

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """An ECDSA signature with SHA-256, DER (RFC 3279, section 2.2.3).

        Raises:
            IdentityError: the token does not sign.
        """
        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise IdentityError("the authority's token signs with SHA-256 only")
        hasher = hashes.Hash(hashes.SHA256())
        hasher.update(data)
        digest = hasher.finalize()
        with self._lock:
            try:
                raw = self._sign_raw(digest)
            except Exception:  # noqa: BLE001  (a module may raise what it likes)
                self._session = None
                raw = self._guarded(lambda: self._sign_raw(digest))
        r, s = raw[:_P256_OCTETS], raw[_P256_OCTETS:]
        return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Not done: this key signs."""
        self._stays(algorithm, peer_public_key)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Not given: the token keeps them."""
        self._stays()

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,  # noqa: A002  (the interface's name)
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        """Not given: the token keeps them."""
        self._stays(encoding, format, encryption_algorithm)

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, _memo: dict[Any, Any]) -> TokenKey:
        return self

    @staticmethod
    def _stays(*_: object) -> NoReturn:
        raise IdentityError("the authority's key stays in its token")

    def _sign_raw(self, digest: bytes) -> bytes:
        import pkcs11

        key = self._opened().get_key(
            object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._place.label
        )
        return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))

    def _read_public(self) -> ec.EllipticCurvePublicKey:
        from pkcs11.util.ec import encode_ec_public_key

        key = self._guarded(self._public_object)
        public = serialization.load_der_public_key(self._guarded(lambda: encode_ec_public_key(key)))
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            return public
        raise IdentityError(f"{self._place.label}: the token's key is not ECDSA P-256")

    def _public_object(self) -> Any:
        import pkcs11

        return self._opened().get_key(
            object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=self._place.label
        )

    def _opened(self) -> Any:
        if self._session is None:
            self._session = _session(self._place, writing=False)
        return self._session

    def _guarded(self, work: Any) -> Any:
        try:
            return work()
        except IdentityError:
            raise
        except Exception as error:  # noqa: BLE001  (a module may raise what it likes)
            raise _fault(self._place, error) from None


def make(place: KeyPlace) -> TokenKey:
    """Make a key in the token, unless one of that label is there already.

    Raises:
        IdentityError: the token cannot be used.
    """
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    try:
        session = _session(place, writing=True)
        try:
            session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=place.label)
        except pkcs11.NoSuchKey:
            curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            domain = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
            domain.generate_keypair(label=place.label, store=True)
        session.close()
    except IdentityError:
        raise
    except Exception as error:  # noqa: BLE001  (a module may raise what it likes)
        raise _fault(place, error) from None
    return TokenKey(place)


def _session(place: KeyPlace, *, writing: bool) -> Any:
    try:
        import pkcs11
    except ImportError:
        raise IdentityError(
            "a key in a token needs python-pkcs11: install lockgate-controller[pkcs11]"
        ) from None
    pin = _pin(place.pin_file)
    token = pkcs11.lib(place.module).get_token(token_label=place.token)
    try:
        return token.open(rw=writing, user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:  # a login is the process's, not the session's
        return token.open(rw=writing)


def _pin(file: Path) -> str:
    try:
        if file.stat().st_mode & 0o077:
            raise IdentityError(f"{file}: others may read this PIN; chmod it to 0600")
        return file.read_text("utf-8").strip()
    except (OSError, ValueError):
        raise IdentityError(f"{file}: not a readable PIN") from None


def _fault(place: KeyPlace, error: Exception) -> IdentityError:
    """The failure in this module's words: a type of PKCS#11, nothing of what it was given."""
    return IdentityError(f"token {place.token}, key {place.label}: {type(error).__name__}")
