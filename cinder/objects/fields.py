# SPDX-License-Identifier: Apache-2.0
"""Short constructors for the field types of the objects."""
from oslo_versionedobjects import fields


class JSONField(fields.AutoTypedField):  # type: ignore[type-arg] # older ones take none
    """A value made of dictionaries, lists and scalars, sent without conversion."""

    AUTO_TYPE = fields.FieldType()


def string() -> fields.StringField:
    """Return a field for text or None."""
    return fields.StringField(nullable=True)


def uuid() -> fields.StringField:
    """Return a field for an id or None. The id is text, because ids of other services need not be
    UUIDs."""
    return fields.StringField(nullable=True)


def integer() -> fields.IntegerField:
    """Return a field for an integer or None."""
    return fields.IntegerField(nullable=True)


def boolean() -> fields.BooleanField:
    """Return a field for True or False; the default is False."""
    return fields.BooleanField(default=False)


def maybe() -> fields.BooleanField:
    """Return a field for True, False or None (unknown)."""
    return fields.BooleanField(nullable=True)


def time() -> fields.DateTimeField:
    """Return a field for a time in UTC without a time zone, as the database stores it."""
    return fields.DateTimeField(tzinfo_aware=False, nullable=True)


def texts() -> fields.DictOfNullableStringsField:
    """Return a field for a dictionary of text -> text or None, such as metadata."""
    return fields.DictOfNullableStringsField(default={}, nullable=True)


class _Hidden:
    """Mixin of a field whose value does not appear in the repr() of an object, and so in no log."""

    def stringify(self, value: object) -> str:
        return 'None' if value is None else '***'


class SecretString(_Hidden, fields.StringField):
    pass


class SecretJSON(_Hidden, JSONField):
    pass


def secret() -> SecretString:
    """Return a field for text or None that is never logged."""
    return SecretString(nullable=True)


def secret_json() -> SecretJSON:
    """Return a field for dictionaries, lists and scalars that is never logged."""
    return SecretJSON(nullable=True)


def json() -> JSONField:
    """Return a field for dictionaries, lists and scalars."""
    return JSONField(nullable=True)


def one(name: str) -> fields.ObjectField:
    """Return a field for another object of class `name`, or None."""
    return fields.ObjectField(name, nullable=True)


def many(name: str) -> fields.ListOfObjectsField:
    """Return a field for a list of objects of class `name`, or None."""
    return fields.ListOfObjectsField(name, nullable=True)
