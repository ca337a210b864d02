# SPDX-License-Identifier: Apache-2.0
"""The SQL of group types and their specs."""
import sqlalchemy as sa

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import filters, models, pairs, resource, type_resource
from cinder.objects import groups

_T = models.GroupType.__table__
_SPECS = models.GroupTypeSpec.__table__
_COLUMNS = tuple(_T.c[name] for name in (
    'id', 'name', 'description', 'is_public', 'created_at', 'updated_at'))
_LIST = filters.Listing(_T, _COLUMNS, visible=_T.c.is_public == sa.true())
_group_types = type_resource.TypeResource(
    objects.GroupType, resource.Errors(exception.GroupTypeNotFound, 'group_type_id'), _LIST,
    specs=('group_specs', pairs.Pairs(
        _SPECS, 'group_type_id', lambda ident, key: exception.GroupTypeSpecsNotFound(
            group_type_id=ident, group_specs_key=key))),
    used_by=models.Group.__table__.c.group_type_id, exists=exception.GroupTypeExists,
    in_use=exception.GroupTypeInUse)
list_rows = _group_types.list_rows
get = _group_types.get
get_by_name = _group_types.get_by_name
get_by_name_or_id = _group_types.get_by_name_or_id
create = _group_types.create_named
update = _group_types.update
destroy = _group_types.destroy
lock = _group_types.lock
set_specs = _group_types.set_specs
delete_spec = _group_types.delete_spec


def default(ctxt: RequestContext) -> objects.GroupType:
    """Return the type of the option default_group_type.

    :raises GroupTypeNotFound: the option is not set, or the type does not exist.
    """
    if not CONF.default_group_type:
        raise exception.GroupTypeNotFound(group_type_id='default')
    return get_by_name(ctxt.elevated(), CONF.default_group_type)


def of_consistency_groups(ctxt: RequestContext) -> objects.GroupType:
    """Return the type of all consistency groups; it is created at the first call."""
    ctxt = ctxt.elevated()
    try:
        return get_by_name(ctxt, groups.CONSISTENCY_TYPE)
    except exception.GroupTypeNotFound:
        pass
    try:
        return create(ctxt, {'name': groups.CONSISTENCY_TYPE, 'is_public': True,
                             'description': 'Type of consistency groups'})
    except exception.GroupTypeExists:  # created by a concurrent request
        return get_by_name(ctxt, groups.CONSISTENCY_TYPE)
