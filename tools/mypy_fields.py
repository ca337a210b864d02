# SPDX-License-Identifier: Apache-2.0
"""Plugin of mypy: the keys of the table `fields` of a versioned object are attributes of it.

Each is of the type that the function of cinder.objects.fields says. That most may be None as well
is left out: when they are does not depend on the type of the object.
"""
from collections.abc import Callable

from mypy import nodes, types
from mypy.plugin import ClassDefContext, Plugin
from mypy.plugins import common

BASE = 'cinder.objects.base.CinderObject'
# Type -> functions of cinder.objects.fields.
MAKERS = {'builtins.str': ('string', 'uuid', 'secret'), 'builtins.int': ('integer',),
          'builtins.bool': ('boolean', 'maybe')}


def declare(context: ClassDefContext) -> None:
    """Add the attributes to the class that mypy reads."""
    for statement in context.cls.defs.body:
        if not isinstance(statement, nodes.AssignmentStmt) or not isinstance(
                statement.rvalue, nodes.DictExpr):
            continue
        for key, field in statement.rvalue.items:
            if isinstance(key, nodes.StrExpr) and isinstance(field, nodes.CallExpr):
                common.add_attribute_to_class(context.api, context.cls, key.value, _type(
                    context, getattr(field.callee, 'name', '')))


def _type(context: ClassDefContext, made_by: str) -> types.Type:
    text = context.api.named_type('builtins.str')
    if made_by == 'texts':
        return context.api.named_type('builtins.dict', [text, text])
    for name, makers in MAKERS.items():
        if made_by in makers:
            return context.api.named_type(name)
    return types.AnyType(types.TypeOfAny.explicit)


class Fields(Plugin):
    """Has declare() called for each class of an object."""

    def get_base_class_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        return declare if fullname == BASE else None


def plugin(_version: str) -> type[Plugin]:
    """What mypy asks for."""
    return Fields
