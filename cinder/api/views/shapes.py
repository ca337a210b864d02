# SPDX-License-Identifier: Apache-2.0
"""JSON schemas of the fields of responses: building blocks, and the fields by name.

A name has the same schema in every response, unless Field.type overrides it. Only the API document
and tests use this module.
"""
from collections.abc import Mapping
from typing import Any

from cinder.api.schemas.base import nullable, one_of

Shape = dict[str, Any]

ANYTHING: Shape = {}
TEXT: Shape = {'type': 'string'}
UUID: Shape = {'type': 'string', 'format': 'uuid'}
NUMBER: Shape = {'type': 'integer'}
BOOLEAN: Shape = {'type': 'boolean'}
# ISO 8601 in UTC without a zone; the format date-time of JSON schema requires one.
TIME: Shape = {'type': 'string',
               'pattern': r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$'}
TIME_OR_EMPTY: Shape = {'type': 'string', 'pattern': f"^$|{TIME['pattern']}"}
OBJECT: Shape = {'type': 'object'}
NUMBERS: Shape = {'type': 'object', 'additionalProperties': NUMBER}
NUMBERS_BY_ID: Shape = {**NUMBERS, 'properties': {'id': TEXT}}
TEXTS: Shape = {'type': 'object', 'additionalProperties': nullable(TEXT)}


def items(shape: Shape) -> Shape:
    """Return the schema of a list."""
    return {'type': 'array', 'items': shape}


def record(*names: str, **fields: Shape) -> Shape:
    """Return the schema of an object with exactly these fields; `names` are looked up in
    BY_NAME."""
    properties = {name: BY_NAME[name] for name in names} | fields
    return {'type': 'object', 'properties': properties, 'required': list(properties),
            'additionalProperties': False}


def wrap(key: str, shape: Shape) -> Shape:
    """Return the schema of {key: shape}."""
    return record(**{key: shape})


def parts(shape: Shape) -> Shape:
    """Return the schema of the same object with all fields optional."""
    return {**shape, 'required': []}


LINK: Shape = {'type': 'object', 'properties': {'rel': TEXT, 'href': TEXT, 'type': TEXT},
               'required': ['rel', 'href'], 'additionalProperties': False}
LINKS = items(LINK)

_WORDS: tuple[tuple[Shape, str], ...] = (
    (UUID, 'attachment_id backup_id group_type_id image_id resource_uuid volume_id'),
    (nullable(UUID), 'consistencygroup_id group_id group_snapshot_id service_uuid snapshot_id '
                     'source_group_id source_volid volume_type_id qos_specs_id cinder_id '
                     'encryption_key_id instance server_id os-vol-mig-status-attr:name_id '
                     'encryption_id'),
    (TEXT, 'id status binary host zone state service resource resource_type event_id user_message '
           'message_level project project_id auth_key source_project_id consumer control_location '
           'provider backup_service backup_url association_type alias namespace group_type '
           'os-backup-project-attr:project_id os-extended-snapshot-attributes:project_id '
           'os-vol-tenant-attr:tenant_id snapshot_count volume_count total_snapshot_gb '
           'total_volume_gb service-state service-status container_format disk_format'),
    (nullable(TEXT), 'name description display_name display_description availability_zone '
                     'volume_type user_id replication_status migration_status provider_id '
                     'cluster_name cluster os-vol-mig-status-attr:migstat os-vol-host-attr:host '
                     'os-extended-snapshot-attributes:progress attach_mode request_id '
                     'disabled_reason active_backend_id backend_state container fail_reason '
                     'volume_name destination_project_id cipher host_name device driver_version '
                     'storage_protocol vendor_name volume_backend_name pool_name visibility '
                     'extra_info reason_not_safe image_name operator_detail'),
    (one_of('true', 'false'), 'bootable'),
    (NUMBER, 'size volume_size count num_hosts num_down_hosts limit in_use reserved total_count '
             'total_size'),
    (nullable(NUMBER), 'key_size object_count'),
    (BOOLEAN, 'encrypted multiattach consumes_quota is_public os-volume-type-access:is_public '
              'disabled is_incremental has_dependent_backups accepted no_snapshots '
              'safe_to_manage deleted protected enforce_multipath'),
    # Null in rows that older releases wrote.
    (nullable(BOOLEAN), 'shared_targets frozen'),
    (TIME, 'created_at'),
    (nullable(TIME), 'updated_at deleted_at guaranteed_until data_timestamp last-update'),
    (TIME_OR_EMPTY, 'attached_at detached_at last_heartbeat'),
    (TEXTS, 'metadata extra_specs group_specs specs volume_image_metadata levels'),
    (OBJECT, 'connection_info reference source_reference capabilities'),
    (nullable(OBJECT), 'properties'),
    (LINKS, 'links'),
    (items(TEXT), 'volume_types volumes filters'),
    (items(OBJECT), 'replication_targets'),
)
BY_NAME: Mapping[str, Shape] = {name: shape for shape, names in _WORDS for name in names.split()}
