"""Runs a deployment: each component is created or changed, or rejected with its problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .deploy_package import NAMESPACE, Component, Package
from .fields import Field, SObject, create_only, label_of
from .org import Org

# the user permissions that affect simulated objects
USER_PERMISSIONS = ("ActivateOrder", "ApiEnabled", "EditActivatedOrders", "ViewSetup")


class ComponentError(Exception):
    """A component is rejected."""


@dataclass(slots=True)
class ComponentResult:
    """The outcome of one component."""

    component: Component
    created: bool = False
    changed: bool = False
    problem: str = ""

    @property
    def success(self) -> bool:
        return not self.problem


class Deployment:
    """The deployment of a package to the org."""

    def __init__(self, org: Org, package: Package) -> None:
        self.org = org
        self.package = package
        self.results: list[ComponentResult] = []

    def run(self, *, keep: bool, rollback: bool) -> bool:
        """Deploy objects, then fields, then permission sets; returns True if all succeeded.

        Args:
            keep: False only validates, and changes nothing.
            rollback: undo the deployment if any component fails.
        """
        before = self.org.metadata()
        self.results = [
            ComponentResult(_placeholder(*pair), problem=_missing_file_message(*pair))
            for pair in self._members_without_file()
        ]
        order = ("CustomObject", "CustomField", "PermissionSet")
        for component in sorted(self.package.components, key=lambda each: order.index(each.kind)):
            if component.kind != "CustomObject" or component.name.endswith("__c"):
                self.results.append(self._deploy_component(component))
        good = all(result.success for result in self.results)
        if not keep or (rollback and not good):
            self.org.restore_metadata(before)
        return good

    def _members_without_file(self) -> Iterator[tuple[str, str]]:
        with_file = {(component.kind, component.name) for component in self.package.components}
        for kind, names in self.package.members.items():
            yield from ((kind, name) for name in sorted(names) if (kind, name) not in with_file)

    def _deploy_component(self, component: Component) -> ComponentResult:
        deploy = {
            "CustomObject": self._object,
            "CustomField": self._field,
            "PermissionSet": self._permissions,
        }
        result = ComponentResult(component)
        owner = component.name.partition(".")[0]
        in_object = component.kind == "CustomField" and owner in self.package.members.get("CustomObject", ())
        try:
            if component.name not in self.package.members.get(component.kind, ()) and not in_object:
                raise ComponentError("Not in package.xml")
            result.created, result.changed = deploy[component.kind](component)
        except ComponentError as problem:
            result.problem = str(problem)
        return result

    def _object(self, component: Component) -> tuple[bool, bool]:
        for name in ("label", "pluralLabel", "sharingModel", "nameField", "deploymentStatus"):
            if component.node.find(f"{NAMESPACE}{name}") is None:
                raise ComponentError(f"Must specify a non-empty {name} for the CustomObject")
        if component.name in self.org.objects:
            return False, False
        kind = component.node.findtext(f"{NAMESPACE}nameField/{NAMESPACE}type")
        label = component.node.findtext(f"{NAMESPACE}nameField/{NAMESPACE}label") or "Name"
        number = Field("Name", "string", label, length=80, id_lookup=True)
        if kind == "AutoNumber":
            number = replace(number, createable=False, updateable=False, auto_number=True)
        details = component.node.findall(f"{NAMESPACE}fields/{NAMESPACE}type")
        if component.text("sharingModel") == "ControlledByParent":
            if not any(each.text == "MasterDetail" for each in details):
                raise ComponentError(
                    "Cannot set sharingModel to ControlledByParent on a CustomObject without a MasterDetail"
                )
        prefix = f"a{len(self.org.objects) + 10:02d}"[:3]
        self.org.add_object(
            SObject(component.name, prefix, (number,), component.text("label"), component.text("pluralLabel"),
                    has_currency=True)
        )  # fmt: skip
        self.org.deployed.add(component.name)
        return True, True

    def _field(self, component: Component) -> tuple[bool, bool]:
        owner, _, name = component.name.partition(".")
        sobject = self.org.objects.get(owner)
        if sobject is None:
            raise ComponentError(
                f"Entity Enumeration Or ID: bad value for restricted picklist field: {owner}"
            )
        if not name.endswith("__c"):
            raise ComponentError(f"Cannot create a custom field with the name {name}: it must end with __c")
        new = _field_of(component, name, self.org)
        old = next((each for each in sobject.fields if each.name == name), None)
        if old is None:
            self.org.add_field(owner, new)
            self.org.deployed.add(component.name)
            return True, True
        if old.type != new.type:
            raise ComponentError(f"Cannot change field type from {old.type} to {new.type}")
        if new.length < old.length or new.precision < old.precision:
            raise ComponentError("Cannot decrease the length of a field that is in use")
        grown = replace(old, length=new.length, precision=new.precision, scale=new.scale)
        self.org.replace_field(owner, grown)
        return False, grown != old

    def _permissions(self, component: Component) -> tuple[bool, bool]:
        if not component.text("label"):
            raise ComponentError("Required field is missing: label")
        for each in component.node.findall(f"{NAMESPACE}userPermissions/{NAMESPACE}name"):
            if each.text not in USER_PERMISSIONS:
                raise ComponentError(f"Unknown user permission: {each.text}")
        granted = {*self._objects(component), *self._fields(component)}
        return self.org.set_permissions(component.name, component.text("label"), granted)

    def _objects(self, component: Component) -> Iterator[str]:
        for each in component.node.findall(f"{NAMESPACE}objectPermissions"):
            name = each.findtext(f"{NAMESPACE}object") or ""
            if name not in self.org.objects:
                raise ComponentError(f"In field: field - no CustomObject named {name} found")
            if each.findtext(f"{NAMESPACE}allowRead") == "true":
                yield name

    def _fields(self, component: Component) -> Iterator[str]:
        for each in component.node.findall(f"{NAMESPACE}fieldPermissions"):
            full_name = each.findtext(f"{NAMESPACE}field") or ""
            owner, _, name = full_name.partition(".")
            found_object = self.org.objects.get(owner)
            field = (
                next((each for each in found_object.fields if each.name == name), None)
                if found_object
                else None
            )
            if field is None:
                raise ComponentError(f"In field: field - no CustomField named {full_name} found")
            if field.required:
                raise ComponentError(f"You cannot deploy to a required field: {full_name}")
            if each.findtext(f"{NAMESPACE}readable") == "true":
                yield full_name


def _placeholder(kind: str, name: str) -> Component:
    from xml.etree.ElementTree import Element

    return Component(kind, name, "package.xml", Element("missing"))


def _missing_file_message(kind: str, name: str) -> str:
    return f"Entity of type '{kind}' named '{name}' is named in package.xml, but is not in the zip file"


# --- fields ------------------------------------------------------------------------------------------


def _field_of(component: Component, name: str, org: Org) -> Field:
    kind = component.text("type")
    build = _BUILDERS.get(kind)
    if build is None:
        raise ComponentError(f"'{kind}' is not a valid value for the enum 'FieldType'")
    if not component.text("label"):
        raise ComponentError(f"Must specify a label for the CustomField {name}")
    field = build(component, Field(name, "", component.text("label") or label_of(name)), org)
    key = component.text("externalId") == "true"
    if key and kind not in ("Text", "Number", "Email"):
        raise ComponentError(f"Can not specify 'externalId' for a CustomField of type {kind}")
    return replace(
        field,
        external_id=key,
        id_lookup=key,
        unique=component.text("unique") == "true",
        case_sensitive=component.text("caseSensitive") == "true",
        required=field.required or component.text("required") == "true",
    )


def _number(component: Component, name: str, most: int) -> int:
    text = component.text(name)
    if not text.isdigit() or int(text) > most:
        raise ComponentError(
            f"Must specify '{name}' of at most {most} for a CustomField of type {component.text('type')}"
        )
    return int(text)


def _text(component: Component, field: Field, org: Org) -> Field:
    return replace(field, type="string", length=_number(component, "length", 255))


def _long_text(component: Component, field: Field, org: Org) -> Field:
    _number(component, "visibleLines", 50)
    return replace(field, type="textarea", length=_number(component, "length", 131_072))


def _decimal(kind: str) -> Callable[[Component, Field, Org], Field]:
    def build(component: Component, field: Field, org: Org) -> Field:
        precision, scale = _number(component, "precision", 18), _number(component, "scale", 17)
        if scale > precision:
            raise ComponentError("scale must not be greater than precision")
        return replace(field, type=kind, precision=precision, scale=scale)

    return build


def _plain(kind: str) -> Callable[[Component, Field, Org], Field]:
    return lambda component, field, org: replace(field, type=kind)


def _picklist(component: Component, field: Field, org: Org) -> Field:
    values = component.node.findall(
        f"{NAMESPACE}valueSet/{NAMESPACE}valueSetDefinition/{NAMESPACE}value/{NAMESPACE}fullName"
    )
    if not values:
        raise ComponentError("Must specify a valueSet for a CustomField of type Picklist")
    restricted = component.node.findtext(f"{NAMESPACE}valueSet/{NAMESPACE}restricted") == "true"
    names = tuple(value.text or "" for value in values)
    return replace(field, type="picklist", length=255, values=names, restricted=restricted)


def _reference(component: Component, field: Field, org: Org) -> Field:
    parent = component.text("referenceTo")
    if parent not in org.objects:
        raise ComponentError(f"referenceTo value of '{parent}' does not resolve to a valid sObject type")
    if not component.text("relationshipName"):
        raise ComponentError(
            f"Must specify 'relationshipName' for a CustomField of type {component.text('type')}"
        )
    return replace(
        field,
        type="reference",
        length=18,
        refers_to=parent,
        relationship=f"{field.name[:-3]}__r",
        children=f"{component.text('relationshipName')}__r",
        indexed=True,
    )


def _master(component: Component, field: Field, org: Org) -> Field:
    return create_only(replace(_reference(component, field, org), required=True))


_BUILDERS: dict[str, Callable[[Component, Field, Org], Field]] = {
    "Text": _text,
    "LongTextArea": _long_text,
    "Number": _decimal("double"),
    "Currency": _decimal("currency"),
    "DateTime": _plain("datetime"),
    "Date": _plain("date"),
    "Checkbox": _plain("boolean"),
    "Picklist": _picklist,
    "Lookup": _reference,
    "MasterDetail": _master,
}
