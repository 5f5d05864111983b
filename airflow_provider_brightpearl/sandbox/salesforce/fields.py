"""Fields and objects, and short constructors for the object definitions."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object, with its properties in describe."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    unique: bool = False
    external_id: bool = False
    case_sensitive: bool = False
    id_lookup: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False
    default: object = None
    refers_to: str = ""
    relationship: str = ""
    children: str = ""  # the name of the child relationship on the parent
    indexed: bool = False  # lookups by this field need no scan
    computed: str = ""  # how the value is computed on reading, see computed_fields.py
    auto_number: bool = False
    when: str = ""  # the setting that enables the field
    scale_from: str = ""  # the setting that has the scale

    @property
    def custom(self) -> bool:
        """True for a field that an administrator added."""
        return self.name.endswith("__c")

    @property
    def is_key(self) -> bool:
        """True if records can be looked up by this field."""
        return self.unique or self.external_id or self.id_lookup


@dataclass(frozen=True, slots=True)
class SObject:
    """One object: its id prefix and its own fields; the schema adds the system fields."""

    name: str
    prefix: str
    fields: tuple[Field, ...]
    label: str = ""
    plural: str = ""
    has_currency: bool = False
    writable: bool = True
    has_recycle_bin: bool = True  # deleted records can be seen by queryAll


def text(name: str, length: int = 255, **more: object) -> Field:
    """A text field."""
    return field_of_type(name, "string", length=length, **more)


def key(name: str, label: str) -> Field:
    """A text(80) external id, unique and case-insensitive."""
    return Field(name, "string", label, length=80, unique=True, external_id=True, id_lookup=True)


def picklist(name: str, *values: str, **more: object) -> Field:
    """A picklist; it accepts any text unless restricted."""
    return field_of_type(name, "picklist", length=255, values=values, **more)


def checkbox(name: str, default: bool = False, **more: object) -> Field:
    """A boolean."""
    return field_of_type(name, "boolean", default=default, **more)


def decimal(name: str, precision: int = 18, scale: int = 2, **more: object) -> Field:
    """A number with a fixed scale."""
    return field_of_type(name, "double", precision=precision, scale=scale, **more)


def money(name: str, precision: int = 18, scale: int = 2, **more: object) -> Field:
    """An amount in the currency of the record."""
    return field_of_type(name, "currency", precision=precision, scale=scale, **more)


def lookup(name: str, refers_to: str, relationship: str = "", **more: object) -> Field:
    """A reference to a record of another object."""
    relationship = relationship or (name[:-3] + "__r" if name.endswith("__c") else name.removesuffix("Id"))
    return field_of_type(name, "reference", length=18, refers_to=refers_to, relationship=relationship, **more)


def read_only(field: Field, computed: str = "") -> Field:
    """The field, written by the org only."""
    return replace(field, createable=False, updateable=False, computed=computed)


def create_only(field: Field) -> Field:
    """The field, writable on creation only."""
    return replace(field, updateable=False)


def address(prefix: str) -> tuple[Field, ...]:
    """The fields of an address (reference, section 4.4)."""
    return (
        field_of_type(f"{prefix}Street", "textarea", length=255),
        text(f"{prefix}City", 40),
        text(f"{prefix}State", 80),
        text(f"{prefix}StateCode", 10, when="country_picklists"),
        text(f"{prefix}PostalCode", 20),
        text(f"{prefix}Country", 80),
        text(f"{prefix}CountryCode", 10, when="country_picklists"),
    )


def field_of_type(name: str, kind: str, **more: object) -> Field:
    """A field of a type given by name."""
    label = str(more.pop("label", "")) or label_of(name)
    return Field(name, kind, label, **more)  # type: ignore[arg-type]


def label_of(name: str) -> str:
    """A label from an API name: `OrderReferenceNumber` becomes `Order Reference Number`."""
    plain = name.removesuffix("__c").replace("_", " ")
    return "".join(
        f" {c}" if c.isupper() and i and plain[i - 1].islower() else c for i, c in enumerate(plain)
    )
