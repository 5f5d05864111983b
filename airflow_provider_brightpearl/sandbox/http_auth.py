"""HTTP Basic credentials, which two of the vendors accept from OAuth clients."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """User and password of an Authorization header, URL-decoded; None for another scheme.

    Raises:
        ValueError: the credentials cannot be decoded.
    """
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(packed).decode().partition(":")
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return unquote(user), unquote(password)
