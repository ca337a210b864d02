# SPDX-License-Identifier: Apache-2.0
"""Shorthands for the field types of our objects."""
from oslo_versionedobjects import fields


class JSONField(fields.AutoTypedField):  # type: ignore[type-arg] # older ones take none
    """A value made of dictionaries, lists and scalars, sent as it is."""

    AUTO_TYPE = fields.FieldType()


def string() -> fields.StringField:
    """Text or nothing."""
    return fields.StringField(nullable=True)


def uuid() -> fields.StringField:
    """Id as text, or nothing; ids of other services need not be real UUIDs."""
    return fields.StringField(nullable=True)


def integer() -> fields.IntegerField:
    return fields.IntegerField(nullable=True)


def boolean() -> fields.BooleanField:
    return fields.BooleanField(default=False)


def maybe() -> fields.BooleanField:
    """True, false or unknown."""
    return fields.BooleanField(nullable=True)


def time() -> fields.DateTimeField:
    """Moment in UTC without a zone, as the database keeps it."""
    return fields.DateTimeField(tzinfo_aware=False, nullable=True)


def texts() -> fields.DictOfNullableStringsField:
    """Text -> text, such as metadata."""
    return fields.DictOfNullableStringsField(default={}, nullable=True)


class _Hidden:
    """Of a field: what it holds does not show in the repr() of an object, and so in no log."""

    def stringify(self, value: object) -> str:
        return 'None' if value is None else '***'


class SecretString(_Hidden, fields.StringField):
    pass


class SecretJSON(_Hidden, JSONField):
    pass


def secret() -> SecretString:
    """Text or nothing, which nobody is to read by accident."""
    return SecretString(nullable=True)


def secret_json() -> SecretJSON:
    """The same for dictionaries and lists."""
    return SecretJSON(nullable=True)


def json() -> JSONField:
    return JSONField(nullable=True)


def one(name: str) -> fields.ObjectField:
    """Another object or nothing."""
    return fields.ObjectField(name, nullable=True)


def many(name: str) -> fields.ListOfObjectsField:
    return fields.ListOfObjectsField(name, nullable=True)
