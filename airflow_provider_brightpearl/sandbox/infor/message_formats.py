"""The forms in which documents travel through ION: as one message, and in parts (reference, section 3.1)."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
import zlib
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from xml.etree import ElementTree

from .errors import GatewayError


def read_message(kind: str, body: bytes) -> tuple[dict[str, str], str]:
    """Parameters and document of a messageRequest in JSON or XML. Raises: GatewayError."""
    try:
        if "xml" in kind:
            root = ElementTree.fromstring(body)  # noqa: S314 - from tests on this machine
            given: dict[str, Any] = {
                each.tag.rpartition("}")[2]: each.text or "" for each in root if not len(each)
            }
            parts = next((each for each in root if each.tag.endswith("document")), ())
            document: Any = {each.tag.rpartition("}")[2]: each.text or "" for each in parts}
        else:
            given = json.loads(body)
            document = given.pop("document")
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        parameters |= {name: str(document[name]) for name in ("encoding", "characterSet")}
        return parameters, _decoded(str(document["value"]).encode(), parameters["encoding"])
    except (ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError, zlib.error) as error:
        raise GatewayError(400, problem(400, f"The message cannot be read: {error!r}")) from None


def read_parts(kind: str, body: bytes) -> tuple[dict[str, str], str]:
    """Parameters and document of a multipart message. Raises: GatewayError."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    parts: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        parts[str(name)] = content if isinstance(content, bytes) else b""
    if set(parts) != {"ParameterRequest", "MessagePayload"}:
        raise GatewayError(400, problem(400, "The parts ParameterRequest and MessagePayload are required"))
    try:
        parameters = {name: str(value) for name, value in json.loads(parts["ParameterRequest"]).items()}
        return parameters, _decoded(parts["MessagePayload"], parameters.get("encoding", ""))
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise GatewayError(400, problem(400, f"The message cannot be read: {error!r}")) from None


def _decoded(content: bytes, encoding: str) -> str:
    """The text of a document; DEFLATE is base64 of compressed text where the body is text."""
    try:
        if encoding in ("BASE64", "DEFLATE"):
            content = base64.b64decode(content, validate=True)
    except binascii.Error:
        if encoding == "BASE64":
            raise
    if encoding == "DEFLATE":
        content = zlib.decompress(content)
    elif encoding not in ("NONE", "BASE64"):
        raise ValueError(f"encoding {encoding}")
    return content.decode()


def write_parts(parameters: Mapping[str, str], document: str) -> tuple[str, bytes]:
    """Content type and body of a message in parts."""
    mark = uuid.uuid4().hex
    parts = (
        ("ParameterRequest", "application/json", json.dumps(dict(parameters))),
        ("MessagePayload", "application/octet-stream", document),
    )
    text = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n'
        for name, kind, content in parts
    )
    return f"multipart/form-data; boundary={mark}", f"{text}--{mark}--\r\n".encode()


def problem(code: int, message: str) -> dict[str, object]:
    """The body of a refusal."""
    return {"status": "ERROR", "code": code, "message": message}
