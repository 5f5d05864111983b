"""Deploys the shipped source into an org by the Metadata API: a zip of what is missing, then who may see it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, parse, register_namespace, tostring

from urllib3.filepost import encode_multipart_formdata

from airflow_provider_brightpearl.errors import Misconfigured, TimedOut
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.metadata.compare import PERMISSION_SET, SOURCE, Finding

_URI = "http://soap.sforce.com/2006/04/metadata"
_NS = f"{{{_URI}}}"
_VERSION = "62.0"
_DEFAULT = "force-app/main/default"
# seconds before each poll of a deployment; the last one repeats
_LOOKS = (2.0, 3.0, 5.0, 10.0)
_PATIENCE = 1800.0
_OPTIONS = {"rollbackOnError": True, "singlePackage": True, "allowMissingFiles": False, "checkOnly": False}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one component: ``problem`` where it was refused."""

    kind: str
    name: str
    created: bool = False
    changed: bool = False
    problem: str = ""

    @property
    def word(self) -> str:
        if self.problem:
            return "failed"
        return "created" if self.created else "changed" if self.changed else "unchanged"


@dataclass(frozen=True, slots=True)
class Deployed:
    """How a deployment ended; nothing of it is in the org where ``success`` is False."""

    id: str
    success: bool
    status: str
    outcomes: tuple[Outcome, ...]
    error: str = ""


def deployable(findings: Sequence[Finding]) -> tuple[dict[str, set[str]], list[Finding]]:
    """Fields to deploy by object (those of a missing object: none named), and what only a person can fix."""
    wanted: dict[str, set[str]] = {}
    others = []
    for finding in findings:
        if finding.missing:
            wanted.setdefault(finding.object, set()).update({finding.field} - {""})
        else:
            others.append(finding)
    return wanted, others


def package(wanted: Mapping[str, set[str]], source: Path = SOURCE) -> bytes:
    """The zip of a deployment: these fields, the whole of objects of ours that name none, and the permission set.

    Raises:
        Misconfigured: a standard object is missing as a whole: it is not in the org, or the user may not see it.
    """
    register_namespace("", _URI)
    members: dict[str, list[str]] = {"CustomField": [], "CustomObject": [], "PermissionSet": [PERMISSION_SET]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(wanted):
            root, fields = _object(source, name, wanted[name])
            members["CustomField"] += [f"{name}.{field}" for field in fields]
            members["CustomObject"] += [name] * (not wanted[name])
            archive.writestr(f"objects/{name}.object", _text(root))
        permissions = source / _DEFAULT / "permissionsets" / f"{PERMISSION_SET}.permissionset-meta.xml"
        archive.writestr(f"permissionsets/{PERMISSION_SET}.permissionset", permissions.read_bytes())
        archive.writestr("package.xml", _text(_manifest(members)))
    return buffer.getvalue()


def _object(source: Path, name: str, fields: set[str]) -> tuple[Element, list[str]]:
    folder = source / _DEFAULT / "objects" / name
    own = folder / f"{name}.object-meta.xml"
    if not fields and not own.exists():
        raise Misconfigured(
            f"Salesforce: {name} is not in this org, or this user may not see it: switch it on in Setup "
            f"(Orders: Order Settings), and give the user of the connection access to it"
        )
    root = parse(own).getroot() if not fields else Element(f"{_NS}CustomObject")  # noqa: S314 - our own files
    chosen = [
        file for file in sorted((folder / "fields").glob("*.xml")) if not fields or _name(file) in fields
    ]
    for file in chosen:
        node = parse(file).getroot()  # noqa: S314
        node.tag = f"{_NS}fields"
        root.append(node)
    return root, [_name(file) for file in chosen]


def _name(file: Path) -> str:
    return file.name.removesuffix(".field-meta.xml")


def _manifest(members: Mapping[str, Sequence[str]]) -> Element:
    root = Element(f"{_NS}Package")
    for kind, names in members.items():
        if names:
            types = SubElement(root, f"{_NS}types")
            for name in names:
                SubElement(types, f"{_NS}members").text = name
            SubElement(types, f"{_NS}name").text = kind
    SubElement(root, f"{_NS}version").text = _VERSION
    return root


def _text(root: Element) -> bytes:
    text: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def deploy(
    client: SalesforceClient, content: bytes, *, sleep: Callable[[float], None] = time.sleep
) -> Deployed:
    """Deploys a zip, all of it or nothing, and waits for its end.

    Raises:
        TimedOut: it is still running after half an hour; the org continues it.
    """
    body, content_type = encode_multipart_formdata({
        "json": ("options.json", json.dumps({"deployOptions": _OPTIONS}), "application/json"),
        "file": ("deploy.zip", content, "application/zip"),
    })  # fmt: skip
    begun = client.request("POST", "metadata/deployRequest", body, content_type=content_type)
    path = f"metadata/deployRequest/{begun['id']}?includeDetails=true"
    for pause in _pauses():
        sleep(pause)
        result = client.request("GET", path)["deployResult"]
        if result["done"]:
            return _deployed(begun["id"], result)
    raise TimedOut(
        f"deployment {begun['id']} is not done after {_PATIENCE / 60:.0f} minutes: see Deployment Status in Setup",
        system="salesforce",
    )


def _pauses() -> Iterator[float]:
    waited = 0.0
    for number in range(int(_PATIENCE)):
        pause = _LOOKS[min(number, len(_LOOKS) - 1)]
        waited += pause
        if waited > _PATIENCE:
            return
        yield pause


def _deployed(deploy_id: str, result: Mapping[str, Any]) -> Deployed:
    details = result.get("details") or {}
    components = [*details.get("componentFailures", ()), *details.get("componentSuccesses", ())]
    outcomes = [
        Outcome(
            each.get("componentType") or "", each["fullName"], bool(each.get("created")), bool(each.get("changed")),
            "" if each["success"] else str(each.get("problem") or "no reason given"),
        )
        for each in components
        if each["fullName"] != "package.xml" or not each["success"]
    ]  # fmt: skip
    return Deployed(
        deploy_id,
        bool(result["success"]),
        result["status"],
        tuple(outcomes),
        result.get("errorMessage") or "",
    )


def assigned(client: SalesforceClient, user: str) -> bool | None:
    """Whether a user has the permission set; None where the org has no such set.

    Args:
        client: calls to the org.
        user: username; empty is the user of the client.

    Raises:
        Misconfigured: the org has no user of that name.
    """
    permission_set, person = _permission_set(client), _user(client, user)
    return _assignment(client, permission_set, person) if permission_set else None


def assign(client: SalesforceClient, user: str) -> None:
    """Gives a user the permission set; see ``assigned``."""
    permission_set, person = _permission_set(client), _user(client, user)
    if permission_set and not _assignment(client, permission_set, person):
        row = {"PermissionSetId": permission_set, "AssigneeId": person}
        client.request("POST", "sobjects/PermissionSetAssignment", json.dumps(row))


def _permission_set(client: SalesforceClient) -> str:
    return _id(client, "SELECT Id FROM PermissionSet WHERE Name = {}", PERMISSION_SET)


def _assignment(client: SalesforceClient, permission_set: str, person: str) -> bool:
    chosen = "SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = {} AND AssigneeId = {}"
    return bool(_id(client, chosen, permission_set, person))


def _id(client: SalesforceClient, soql: str, *values: str) -> str:
    from simple_salesforce.format import format_soql

    return next((str(row["Id"]) for row in client.query(format_soql(soql, *values))), "")


def _user(client: SalesforceClient, username: str) -> str:
    if not username:
        return str(client.request("GET", "/services/oauth2/userinfo")["user_id"])
    found = _id(client, "SELECT Id FROM User WHERE Username = {}", username)
    if not found:
        raise Misconfigured(f"Salesforce: the org has no user {username}")
    return found
