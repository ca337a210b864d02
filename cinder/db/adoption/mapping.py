# SPDX-License-Identifier: Apache-2.0
"""Which table and column of the original becomes which of ours, as data: STEPS in the order of the
copy, and UNUSED. tests/unit/db/adoption compares them with both sides."""
from collections.abc import Mapping
from typing import NamedTuple

from cinder.db.adoption.conversions import Rule
from cinder.db.adoption.findings import REFUSAL, WARNING
from cinder.objects import states

# What happens with a row whose reference leads nowhere.
REFUSE, LEAVE_OUT, FORGET, KEEP = 'refuse', 'leave out', 'forget', 'keep'


class Reference(NamedTuple):
    """A column of the source that refers to rows which were copied before.

    :param missing: REFUSE, LEAVE_OUT the row, FORGET the reference, or KEEP it; each is reported
    :param live: whether a row that is not deleted needs one that is not deleted
    """

    column: str
    table: str
    missing: str
    live: bool = True


class Step(NamedTuple):
    """The copy of one table.

    :param source: table of the original
    :param target: table of ours
    :param columns: column of ours -> Rule
    :param unused: columns of the original that are not needed -> reason
    :param key: column of the original that rows are read by
    :param references: columns that lead to other tables
    :param unique: columns of the original that no two rows have in common
    :param repeated: REFUSAL or WARNING: what a second row with the same values is. With WARNING,
        the last one is copied
    :param soft: whether deleted rows exist on both sides
    :param merged: whether rows that are equal here, as --map-host renames them, are one
    :param rows: which rows: 'all', or a part of the tree of QoS specs
    """

    source: str
    target: str
    columns: Mapping[str, Rule]
    unused: Mapping[str, str]
    key: str = 'id'
    references: tuple[Reference, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    repeated: str = WARNING
    soft: bool = False
    merged: bool = False
    rows: str = 'all'

    @property
    def name(self) -> str:
        """Its name in the progress: the target, because one source may have two steps."""
        return self.target


def _same(names: str) -> dict[str, Rule]:
    return {name: Rule((name,)) for name in names.split()}


def _each(kind: str, names: str, argument: object = None) -> dict[str, Rule]:
    return {name: Rule((name,), kind, argument) for name in names.split()}


def _unused(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


_GONE = 'rows without soft deletion: only those that are not deleted are copied'
_NUMBER = 'our key is the pair itself'
_CG = 'consistency groups are groups; the original has an online migration'
_FALSE, _TRUE = False, True
_TIMES = _same('created_at updated_at')
_SOFT = {'created_at': Rule(('created_at', 'updated_at', 'deleted_at'), 'created'),
         **_same('updated_at deleted_at'), 'deleted': Rule(('deleted',), 'deleted')}
_PAIR_UNUSED = {**_unused(_GONE, 'deleted deleted_at'), 'id': _NUMBER}
_NAMED = {'name': Rule(('name',), 'required'),
          'live_name': Rule(('name', 'deleted'), 'live_name')}


def _pairs(table: str, owner: str, parent: str) -> Step:
    """Return the step of a table of keys and values."""
    return Step(table, table, {**_each('required', owner), **_each('required', 'key'),
                               **_same('value'), **_TIMES}, _PAIR_UNUSED,
                references=(Reference(owner, parent, LEAVE_OUT),), unique=((owner, 'key'),))


def _access(table: str, owner: str, parent: str) -> Step:
    """Return the step of a table of projects that may use a type."""
    return Step(table, table, {**_each('required', f'{owner} project_id'), **_TIMES}, _PAIR_UNUSED,
                references=(Reference(owner, parent, LEAVE_OUT),), unique=((owner, 'project_id'),))


STEPS: tuple[Step, ...] = (
    # ---------------------------------------------------------------------------------- types
    Step('quality_of_service_specs', 'quality_of_service_specs',
         {'id': Rule(('id',)), 'name': Rule(('value',), 'required'),
          'live_name': Rule(('value', 'deleted'), 'live_name'),
          'consumer': Rule((), 'consumer'), **_SOFT},
         {'specs_id': 'NULL in the root of each tree', 'key': 'QoSSpec_Name in each root'},
         unique=(('value',),), repeated=REFUSAL, soft=True, rows='qos-roots'),
    Step('quality_of_service_specs', 'quality_of_service_values',
         {**_each('required', 'specs_id key'), **_same('value'), **_TIMES},
         _PAIR_UNUSED, unique=(('specs_id', 'key'),), rows='qos-values',
         references=(Reference('specs_id', 'quality_of_service_specs', LEAVE_OUT),)),
    Step('volume_types', 'volume_types',
         {'id': Rule(('id',)), **_NAMED, **_same('description qos_specs_id'),
          **_each('default', 'is_public', _TRUE), **_SOFT}, {},
         references=(Reference('qos_specs_id', 'quality_of_service_specs', FORGET),),
         unique=(('name',),), repeated=REFUSAL, soft=True),
    _pairs('volume_type_extra_specs', 'volume_type_id', 'volume_types'),
    _access('volume_type_projects', 'volume_type_id', 'volume_types'),
    Step('encryption', 'encryption',
         {**_same('encryption_id cipher key_size provider control_location'),
          **_each('required', 'volume_type_id'), **_TIMES},
         _unused(_GONE, 'deleted deleted_at'), key='encryption_id',
         references=(Reference('volume_type_id', 'volume_types', LEAVE_OUT),),
         unique=(('volume_type_id',),)),
    Step('default_volume_types', 'default_volume_types',
         {**_each('required', 'project_id volume_type_id'), **_TIMES},
         _unused(_GONE, 'deleted deleted_at'), key='project_id',
         references=(Reference('volume_type_id', 'volume_types', LEAVE_OUT),)),
    Step('group_types', 'group_types',
         {'id': Rule(('id',)), **_NAMED, **_same('description'),
          **_each('default', 'is_public', _TRUE), **_SOFT}, {},
         unique=(('name',),), repeated=REFUSAL, soft=True),
    _pairs('group_type_specs', 'group_type_id', 'group_types'),
    _access('group_type_projects', 'group_type_id', 'group_types'),
    # -------------------------------------------------------------------------------- daemons
    Step('clusters', 'clusters',
         {**_same('id replication_status active_backend_id binary disabled_reason'),
          **_each('host', 'name'), **_each('default', 'disabled frozen', _FALSE), **_SOFT},
         {'race_preventer': 'our unique key does without it'},
         unique=(('name', 'binary'),), merged=True),
    Step('services', 'services',
         {**_same('id topic availability_zone replication_status active_backend_id'),
          **_each('required', 'uuid binary'), **_each('host', 'host cluster_name'),
          **_each('default', 'frozen', _FALSE),
          'disabled': Rule(('disabled', 'disabled_reason'), 'disabled'),
          'disabled_reason': Rule(('disabled_reason',), 'disabled'),
          'report_count': Rule((), 'down'), 'rpc_current_version': Rule((), 'down'),
          'object_current_version': Rule((), 'down'), 'modified_at': Rule((), 'down'),
          **_SOFT, 'updated_at': Rule((), 'down')},
         _unused('our daemons report their own', 'report_count rpc_current_version '
                 'object_current_version modified_at updated_at'),
         unique=(('host', 'binary'), ('uuid',)), merged=True, rows='services'),
    # --------------------------------------------------------------------------------- groups
    Step('groups', 'groups',
         {**_same('id user_id name description availability_zone group_snapshot_id '
                  'source_group_id replication_status'),
          **_each('required', 'project_id group_type_id'), **_each('host', 'host cluster_name'),
          **_each('among', 'status', states.GROUP_STATUSES), **_SOFT}, {},
         references=(Reference('group_type_id', 'group_types', REFUSE),), soft=True),
    Step('group_volume_type_mapping', 'group_volume_type_mapping',
         {**_each('required', 'group_id volume_type_id'), **_TIMES}, _PAIR_UNUSED,
         references=(Reference('group_id', 'groups', LEAVE_OUT),
                     Reference('volume_type_id', 'volume_types', LEAVE_OUT)),
         unique=(('group_id', 'volume_type_id'),)),
    Step('group_snapshots', 'group_snapshots',
         {**_same('id user_id name description group_type_id'),
          **_each('required', 'project_id group_id'),
          **_each('among', 'status', states.GROUP_SNAPSHOT_STATUSES), **_SOFT}, {},
         references=(Reference('group_id', 'groups', REFUSE),
                     Reference('group_type_id', 'group_types', FORGET)), soft=True),
    # -------------------------------------------------------------------------------- volumes
    Step('volumes', 'volumes',
         {**_same('id user_id display_name display_description previous_status migration_status '
                  'availability_zone service_uuid snapshot_id source_volid group_id '
                  'encryption_key_id provider_id provider_location provider_auth '
                  'replication_status replication_extended_status replication_driver_data '
                  'shared_targets scheduled_at launched_at terminated_at'),
          'name_id': Rule(('_name_id',)),
          **_each('required', 'project_id volume_type_id'), **_each('size', 'size'),
          **_each('host', 'host cluster_name'),
          **_each('among', 'status', states.VOLUME_STATUSES),
          **_each('repaired', 'attach_status', 'detached'),
          **_each('default', 'bootable multiattach', _FALSE),
          **_each('repaired', 'use_quota', _FALSE),
          'growth': Rule((), 'made', 0),
          **_SOFT, 'created_at': Rule(('created_at', 'scheduled_at', 'launched_at', 'updated_at'),
                                      'created')},
         {**_unused('means nothing here', 'ec2_id provider_geometry'),
          'consistencygroup_id': _CG},
         references=(Reference('volume_type_id', 'volume_types', REFUSE),
                     Reference('group_id', 'groups', FORGET)), soft=True),
    _pairs('volume_metadata', 'volume_id', 'volumes'),
    _pairs('volume_admin_metadata', 'volume_id', 'volumes'),
    Step('snapshots', 'snapshots',
         {**_same('id user_id progress display_name display_description encryption_key_id '
                  'group_snapshot_id provider_id provider_location provider_auth'),
          **_each('required', 'project_id volume_id volume_type_id'),
          **_each('size', 'volume_size'), **_each('among', 'status', states.SNAPSHOT_STATUSES),
          **_each('repaired', 'use_quota', _FALSE), **_SOFT},
         {'scheduled_at': 'snapshots are not scheduled', 'cgsnapshot_id': _CG},
         references=(Reference('volume_id', 'volumes', REFUSE),
                     Reference('volume_type_id', 'volume_types', REFUSE),
                     Reference('group_snapshot_id', 'group_snapshots', FORGET)), soft=True),
    _pairs('snapshot_metadata', 'snapshot_id', 'snapshots'),
    Step('volume_glance_metadata', 'volume_glance_metadata',
         {**_same('id volume_id snapshot_id value'), **_each('required', 'key'), **_TIMES},
         _unused(_GONE, 'deleted deleted_at'),
         references=(Reference('volume_id', 'volumes', LEAVE_OUT),
                     Reference('snapshot_id', 'snapshots', LEAVE_OUT)),
         unique=(('volume_id', 'key'), ('snapshot_id', 'key'))),
    # ------------------------------------------------------------------- of volumes and snapshots
    Step('volume_attachment', 'volume_attachment',
         {**_same('id instance_uuid attached_host mountpoint attach_time detach_time attach_mode '
                  'connection_info connector'), **_each('required', 'volume_id'),
          **_each('among', 'attach_status', states.ATTACH_STATUSES),
          'project_id': Rule(('volume_id',), 'parent', 'project_id'), **_SOFT}, {},
         references=(Reference('volume_id', 'volumes', LEAVE_OUT),), soft=True),
    Step('transfers', 'transfers',
         {**_same('id display_name expires_at source_project_id destination_project_id'),
          **_each('required', 'volume_id salt crypt_hash'),
          **_each('default', 'no_snapshots accepted', _FALSE), **_SOFT}, {},
         references=(Reference('volume_id', 'volumes', LEAVE_OUT),), soft=True),
    Step('backups', 'backups',
         {**_same('id user_id snapshot_id parent_id display_name display_description fail_reason '
                  'availability_zone container service service_metadata object_count '
                  'data_timestamp restore_volume_id encryption_key_id'),
          **_each('required', 'project_id volume_id'), **_each('host', 'host'),
          **_each('repaired', 'size', 0), **_each('among', 'status', states.BACKUP_STATUSES),
          **_SOFT},
         {**_unused('set while a backup is made; see the leftovers of --check',
                    'temp_volume_id temp_snapshot_id'),
          'num_dependent_backups': 'counted'},
         soft=True),
    _pairs('backup_metadata', 'backup_id', 'backups'),
    Step('image_volume_cache_entries', 'image_volume_cache_entries',
         {**_same('id image_updated_at size last_used'), **_each('host', 'host cluster_name'),
          **_each('required', 'image_id volume_id'),
          'created_at': Rule(('last_used',)), 'updated_at': Rule((), 'made')}, {},
         references=(Reference('volume_id', 'volumes', LEAVE_OUT),), unique=(('volume_id',),)),
    # --------------------------------------------------------------------------------- quotas
    Step('quotas', 'quotas',
         {**_each('required', 'project_id resource hard_limit'), **_TIMES},
         {**_PAIR_UNUSED, 'allocated': 'nested quotas were removed from the original'},
         unique=(('project_id', 'resource'),), rows='limits'),
    Step('quota_classes', 'quota_classes',
         {**_each('required', 'class_name resource hard_limit'), **_TIMES}, _PAIR_UNUSED,
         unique=(('class_name', 'resource'),), rows='limits'),
)
# Tables of the original that are not copied -> reason.
UNUSED: dict[str, str] = {
    'alembic_version': 'the revision, which is checked',
    'attachment_specs': 'legacy; the online migrations of the original moved its rows',
    'cgsnapshots': _CG,
    'consistencygroups': _CG,
    'driver_initiator_data': 'data of drivers that are not here',
    'messages': 'they expire, and their ids of events are those of the original',
    'quota_usages': 'usage is counted from the rows',
    'reservations': 'usage is counted from the rows',
    'workers': 'work under way, which --check refuses',
}
# Our tables that start empty -> reason.
OURS: dict[str, str] = {
    'messages': UNUSED['messages'],
    'operations': 'no operation of ours is under way',
    'idempotency_keys': 'keys of requests to this API',
    'events': 'changes since the adoption',
    'notices': 'notifications of changes since the adoption',
    'notice_lease': 'a process of this service',
    'event_sequence': 'the last position of an event',
    'unused_keys': 'keys that this service is to delete',
    'key_intents': 'keys that requests of ours are about to create',
    'pools': 'space that our schedulers promised',
    'trash': 'volumes and snapshots that this service keeps after their deletion',
    'trash_backends': 'back ends of ours that do so',
    'quota_locks': 'locks of our requests',
}
