"""The zip file of a deployment: package.xml and the files that it names (Metadata API, section 3.11)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
FOLDERS = {"objects": ("object", "CustomObject"), "permissionsets": ("permissionset", "PermissionSet")}


class BadPackage(Exception):
    """The upload as a whole is rejected."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a file: an object, a field of one, or a permission set."""

    kind: str
    name: str
    file: str
    node: ElementTree.Element

    def text(self, name: str) -> str:
        return (self.node.findtext(f"{NAMESPACE}{name}") or "").strip()


@dataclass(frozen=True, slots=True)
class Package:
    """The members that package.xml names, by type, and the components in the files."""

    members: dict[str, set[str]]
    components: list[Component]

    @classmethod
    def read(cls, content: bytes) -> Package:
        """Parse a zip file. Raises: BadPackage."""
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        except (zipfile.BadZipFile, EOFError) as error:
            raise BadPackage(f"The zip file is not valid: {error}") from None
        if "package.xml" not in files:
            raise BadPackage("No package.xml found")
        manifest = _parsed("package.xml", files.pop("package.xml"), "Package")
        if not (manifest.findtext(f"{NAMESPACE}version") or "").strip():
            raise BadPackage("package.xml: version is missing")
        members = {
            (each.findtext(f"{NAMESPACE}name") or "").strip(): {
                (member.text or "").strip() for member in each.findall(f"{NAMESPACE}members")
            }
            for each in manifest.findall(f"{NAMESPACE}types")
        }
        return cls(members, [part for name, data in sorted(files.items()) for part in _parts(name, data)])


def _parts(file: str, data: bytes) -> Iterator[Component]:
    folder, _, name = file.partition("/")
    suffix, kind = FOLDERS.get(folder, ("", ""))
    stem, _, ending = name.rpartition(".")
    if not kind or ending != suffix:
        raise BadPackage(f"{file}: no metadata type has files of this name")
    node = _parsed(file, data, kind)
    yield Component(kind, stem, file, node)
    if kind == "CustomObject":
        for field in node.findall(f"{NAMESPACE}fields"):
            full_name = (field.findtext(f"{NAMESPACE}fullName") or "").strip()
            yield Component("CustomField", f"{stem}.{full_name}", file, field)


def _parsed(file: str, data: bytes, kind: str) -> ElementTree.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise BadPackage(f"{file}: a document type is not allowed")
    try:
        node = ElementTree.fromstring(data)  # noqa: S314 - without a document type nothing can expand
    except ElementTree.ParseError as error:
        raise BadPackage(f"{file}: Error parsing file: {error}") from None
    if node.tag != f"{NAMESPACE}{kind}":
        raise BadPackage(f"{file}: the root element is not {kind} of the metadata namespace")
    return node
