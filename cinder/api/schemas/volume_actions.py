# SPDX-License-Identifier: Apache-2.0
"""Bodies of POST /volumes/{id}/action, by action key."""
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import volumes as volume_schemas
from cinder.api.schemas.attachments import CONNECTOR, MODE
from cinder.objects import states

_OPTIONAL_CONNECTOR = base.nullable(CONNECTOR)
_ERROR = {'type': ['string', 'boolean', 'null']}


def any_body(key: str) -> base.Schema:
    """Return the schema of a body whose value is ignored."""
    return base.wrap(key, base.ANYTHING)


ATTACH = base.wrap('os-attach', base.any_of_keys(
    base.obj(['mountpoint'], instance_uuid=base.UUID, host_name=base.text(0, 255),
             mountpoint=base.text(1, 255), mode=MODE),
    'instance_uuid', 'host_name'))
DETACH = base.wrap('os-detach', base.nullable(base.obj(attachment_id=base.UUID_OR_NULL)))
FORCE_DETACH = base.wrap('os-force_detach', base.obj(
    connector=_OPTIONAL_CONNECTOR, attachment_id=base.UUID_OR_NULL))
INITIALIZE = base.wrap('os-initialize_connection', base.obj(['connector'], connector=CONNECTOR))
TERMINATE = base.wrap('os-terminate_connection', base.obj(
    ['connector'], connector=_OPTIONAL_CONNECTOR))

EXTEND = base.wrap('os-extend', base.obj(['new_size'], new_size=volume_schemas.SIZE))
EXTEND_COMPLETION = base.wrap('os-extend_volume_completion', base.obj(error=_ERROR))
READONLY = base.wrap('os-update_readonly_flag', base.obj(['readonly'], readonly=base.BOOLISH))
BOOTABLE = base.wrap('os-set_bootable', base.obj(['bootable'], bootable=base.BOOLISH))
REVERT = base.wrap('revert', base.obj(_extra=True, snapshot_id={'type': ['string', 'null']}))
RETYPE = base.wrap('os-retype', base.obj(
    ['new_type'], new_type=base.text(), migration_policy=base.one_of('on-demand', 'never')))

_RESET = {'status': base.any_case('', *states.RESETTABLE),
          'attach_status': base.any_case('', 'attached', 'detached'),
          'migration_status': base.any_case('', 'migrating', 'error', 'success', 'completing',
                                            'none', 'starting')}
RESET_STATUS = base.wrap('os-reset_status', {
    **base.obj(**{key: base.nullable(value) for key, value in _RESET.items()}),
    'anyOf': [{'required': [key], 'properties': {key: {'type': 'string', 'minLength': 1}}}
              for key in _RESET]})

_MIGRATE = {'force_host_copy': base.BOOLISH, 'lock_volume': base.BOOLISH}
MIGRATE = [
    (mv.BASE, base.wrap('os-migrate_volume', base.obj(
        ['host'], host=base.text(0, 255), **_MIGRATE))),
    (mv.MIGRATE_TO_CLUSTER, base.wrap('os-migrate_volume', base.obj(
        host=base.nullable(base.text(0, 255)), cluster=base.nullable(base.text(0, 255)),
        **_MIGRATE))),
]
MIGRATE_COMPLETION = base.wrap('os-migrate_volume_completion', base.obj(
    ['new_volume'], new_volume=base.UUID, error=_ERROR))

_UPLOAD = {'image_name': base.text(1, 255), 'force': base.BOOLISH,
           'disk_format': base.one_of('raw', 'vmdk', 'vdi', 'qcow2', 'vhd', 'vhdx', 'ploop'),
           'container_format': base.nullable(base.text(0, 255, check='printable'))}
UPLOAD_IMAGE = [
    (mv.BASE, base.wrap('os-volume_upload_image', base.obj(['image_name'], **_UPLOAD))),
    (mv.UPLOAD_IMAGE_PARAMS, base.wrap('os-volume_upload_image', base.obj(
        ['image_name'], **_UPLOAD, protected=base.BOOLISH,
        visibility=base.one_of('community', 'public', 'private', 'shared')))),
]
REIMAGE = base.wrap('os-reimage', base.obj(
    ['image_id'], image_id=base.UUID, reimage_reserved=base.BOOLISH))

SET_IMAGE_METADATA = base.wrap('os-set_image_metadata', base.obj(
    ['metadata'], metadata=base.mapping(
        base.METADATA_KEY, {'type': 'string', 'format': 'text column'})))
UNSET_IMAGE_METADATA = base.wrap('os-unset_image_metadata', base.obj(
    ['key'], key=base.text(1, 255)))


def reports_failure(body: dict) -> bool:
    """Return whether the caller of a completion reports a failure; null: no failure."""
    error = body.get('error')
    return error is not None and base.boolean(error)
