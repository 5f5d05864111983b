"""Ed25519 keys that sign certificates, as PEM or as 32 bytes in base64 or hex."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_HOW = "make one with `openssl genpkey -algorithm ed25519`"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its text is never shown."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, text: str, option: str) -> SigningKey:
        """The key in a text.

        Raises:
            Misconfigured: it is no Ed25519 key; names the option, not the text.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            if "BEGIN" in text:
                # a setting may hold it on one line
                key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
            else:
                key = Ed25519PrivateKey.from_private_bytes(_raw(text))
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(f"{option} is not an Ed25519 private key; {_HOW}")
        return cls(key)

    @property
    def public_key(self) -> str:
        """The public key, as hex."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> str:
        """The signature, as hex."""
        return self._key.sign(data).hex()


def verifies(public_key: str, signature: str, data: bytes) -> bool:
    """Whether a signature (hex) of these bytes was made with the private key of a public one (hex)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        given = bytes.fromhex(signature)
        if given.hex() != signature:
            return False
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(given, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key_of(text: str, place: str) -> str:
    """The public key in a text, as hex.

    Raises:
        Misconfigured: it is no Ed25519 public key; names its place.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key: Any = None
    try:
        if "PRIVATE KEY" in text:
            raise Misconfigured(f"{place} holds a private key; pass the public one (`openssl pkey -pubout`)")
        key = (
            load_pem_public_key(text.encode())
            if "BEGIN" in text
            else Ed25519PublicKey.from_public_bytes(_raw(text))
        )
    except ValueError:
        pass
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(
            f"{place} is not an Ed25519 public key; get it with `openssl pkey -in KEY -pubout`"
        )
    return key.public_bytes_raw().hex()


def _raw(text: str) -> bytes:
    """32 bytes, given as hex or as base64."""
    given = text.strip()
    try:
        return bytes.fromhex(given) if len(given) == 64 else base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise ValueError from error
