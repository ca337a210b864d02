# SPDX-License-Identifier: Apache-2.0
"""The tables, their columns and indexes. The migrations have the storage options of the engines:
here a dialect would be loaded in every process, which takes a megabyte.

Classes only name tables (`Volume.__table__`): the modules of the resources convert rows to objects.
They do not use the ORM of SQLAlchemy, whose import takes 6 MB and a tenth of a second per process.
"""
import json
from typing import TYPE_CHECKING, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import TypeCompiler

_NAMES = {
    'ix': 'ix_%(table_name)s_%(column_0_N_name)s', 'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    'fk': 'fk_%(table_name)s_%(column_0_name)s', 'pk': 'pk_%(table_name)s',
}

metadata = sa.MetaData(naming_convention=_NAMES)


class _Column(TypedDict, total=False):
    """Arguments of a column, see sa.Column."""

    nullable: bool
    unique: bool
    primary_key: bool
    default: str


class _Moment(sa.DateTime):
    """A time with microseconds, which MySQL only stores with an explicit precision."""


class _Long(sa.Text):
    """A text longer than 64 KiB, the limit of TEXT in MySQL."""


class Json(sa.types.TypeDecorator):
    """A JSON value, stored as text on all engines."""

    impl = _Long
    cache_ok = True

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> object:
        return json.loads(value) if value else value


@compiles(_Moment, 'mysql', 'mariadb')
def _moment(_type: _Moment, _compiler: 'TypeCompiler', **_kwargs: object) -> str:
    return 'DATETIME(6)'


@compiles(_Long, 'mysql', 'mariadb')
def _medium(_type: _Long, _compiler: 'TypeCompiler', **_kwargs: object) -> str:
    return 'MEDIUMTEXT'


def _time(**kwargs: Unpack[_Column]) -> sa.Column:
    """Return a column of naive UTC with microseconds."""
    return sa.Column(_Moment(), **kwargs)


def _id() -> sa.Column:
    return sa.Column(sa.String(36), primary_key=True)


def _number() -> sa.Column:
    return sa.Column(sa.Integer, primary_key=True, autoincrement=True)


def _uuid(*args: sa.ForeignKey, **kwargs: Unpack[_Column]) -> sa.Column:
    return sa.Column(sa.String(36), *args, **kwargs)


def _text(length: int = 255, **kwargs: Unpack[_Column]) -> sa.Column:
    return sa.Column(sa.String(length), **kwargs)


def _long() -> sa.Column:
    return sa.Column(_Long())


def _json() -> sa.Column:
    return sa.Column(Json())


def _flag(default: bool | None = False) -> sa.Column:
    """Return a Boolean column; `default` None makes it nullable."""
    return sa.Column(sa.Boolean(create_constraint=False), default=default,
                     nullable=default is None)


def _owner(table: str) -> sa.Column:
    """Return the part of a key that refers to the parent row, and is purged with it."""
    return _uuid(sa.ForeignKey(f'{table}.id', ondelete='CASCADE'), primary_key=True)


def _key() -> sa.Column:
    return _text(primary_key=True)


def _listing() -> tuple[sa.Index, ...]:
    """Return the indexes for keyset pages: of one project, and of all."""
    return (sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
            sa.Index(None, 'deleted', 'created_at', 'id'))


class _Table:
    """Converts the columns of a subclass to its `__table__`."""

    table: str
    __table__: sa.Table
    soft_deleted = False
    extra: tuple = ()

    def __init_subclass__(cls) -> None:
        columns = {name: value for name, value in vars(cls).items()
                   if isinstance(value, sa.Column)}
        columns['created_at'] = _time(nullable=not cls.soft_deleted)
        columns['updated_at'] = _time()
        if cls.soft_deleted:
            columns |= {'deleted': _flag(), 'deleted_at': _time()}
        for name, column in columns.items():
            column.name = column.key = name
        cls.__table__ = sa.Table(cls.table, metadata, *columns.values(), *cls.extra)
        if cls.soft_deleted:
            # Used by purge.
            sa.Index(None, cls.__table__.c.deleted_at)


# ---------------------------------------------------------------------------------- daemons
class Service(_Table):
    table = 'services'
    soft_deleted = True
    id = _number()
    uuid = _uuid(nullable=False, unique=True)
    host = _text(nullable=False)
    binary = _text(nullable=False)
    topic = _text()
    cluster_name = _text()
    report_count = sa.Column(sa.Integer, nullable=False, default=0)
    disabled = _flag()
    disabled_reason = _text()
    availability_zone = _text()
    rpc_current_version = _text(36)
    object_current_version = _text(36)
    replication_status = _text(36)
    active_backend_id = _text()
    frozen = _flag()
    modified_at = _time()
    extra = (sa.UniqueConstraint('host', 'binary'),)


class Cluster(_Table):
    table = 'clusters'
    soft_deleted = True
    id = _number()
    name = _text(nullable=False)
    binary = _text(nullable=False)
    disabled = _flag()
    disabled_reason = _text()
    replication_status = _text(36)
    active_backend_id = _text()
    frozen = _flag()
    extra = (sa.UniqueConstraint('name', 'binary'),)


class Operation(_Table):
    table = 'operations'
    id = _id()
    verb = _text(64, nullable=False)
    resource_type = _text(64, nullable=False)
    resource_id = _uuid(nullable=False)
    project_id = _text()
    user_id = _text()
    request_id = _text()
    arguments = _long()
    stage = _text(16, nullable=False)
    host = _text()
    cluster = _text()
    state = _text(16, nullable=False)
    owner = _text(300)
    fence = sa.Column(sa.Integer, nullable=False, default=0)
    lease_until = _time()
    attempt = sa.Column(sa.Integer, nullable=False, default=0)
    progress_done = sa.Column(sa.BigInteger)
    progress_total = sa.Column(sa.BigInteger)
    error = sa.Column(sa.Text)
    finished_at = _time()
    # For the search for operations by (stage, state) of one host or cluster, oldest first; few are
    # unfinished, whatever the size of the table.
    extra = (sa.Index(None, 'stage', 'state', 'created_at'), sa.Index(None, 'resource_id', 'state'),
             sa.Index(None, 'state', 'owner'), sa.Index(None, 'finished_at'),
             sa.Index('ix_operations_listing', 'project_id', 'created_at', 'id'),
             sa.Index('ix_operations_all', 'created_at', 'id'))


class IdempotencyKey(_Table):
    """The answer to a request that had a header Idempotency-Key, see cinder/api/idempotency.py.

    `id` is a digest of the project and the key, which is not stored; `token` distinguishes the
    requests that used the key one after the other. Without `reply` the request is not answered yet.
    """

    table = 'idempotency_keys'
    id = _text(64, primary_key=True)
    token = _uuid(nullable=False)
    project_id = _text()
    fields = _long()
    reply = _long()
    operation_id = _uuid()
    resource_type = _text(36)
    resource_id = _uuid()
    extra = (sa.Index(None, 'created_at'),)


# ---------------------------------------------------------------------------------- volumes
class Volume(_Table):
    table = 'volumes'
    soft_deleted = True
    id = _id()
    name_id = _uuid()
    project_id = _text()
    user_id = _text()
    display_name = _text()
    display_description = _text()
    size = sa.Column(sa.Integer)
    status = _text()
    previous_status = _text()
    attach_status = _text(default='detached')
    migration_status = _text()
    availability_zone = _text()
    host = _text()
    cluster_name = _text()
    service_uuid = _uuid()
    volume_type_id = _uuid()
    snapshot_id = _uuid()
    source_volid = _uuid()
    group_id = _uuid()
    encryption_key_id = _uuid()
    bootable = _flag()
    multiattach = _flag()
    provider_id = _text()
    provider_location = sa.Column(sa.Text)
    provider_auth = sa.Column(sa.Text)
    replication_status = _text()
    replication_extended_status = _text()
    replication_driver_data = sa.Column(sa.Text)
    shared_targets = _flag(None)
    # GiB of an extend in progress: counted for the quota, not yet part of the size.
    growth = sa.Column(sa.Integer, nullable=False, default=0)
    use_quota = _flag(True)
    scheduled_at = _time()
    launched_at = _time()
    terminated_at = _time()
    extra = (
        *_listing(),
        # Covers the counts and sums of quotas.
        sa.Index('ix_volumes_quota', 'project_id', 'deleted', 'use_quota', 'volume_type_id',
                 'size', 'growth'),
        # Without the status, so that a change of status updates no index.
        sa.Index('ix_volumes_host', 'host', 'deleted'),
        sa.Index('ix_volumes_cluster_name', 'cluster_name', 'deleted'),
        sa.Index('ix_volumes_type', 'volume_type_id', 'deleted'),
        sa.Index('ix_volumes_group', 'group_id', 'deleted'),
        sa.Index('ix_volumes_source', 'source_volid', 'deleted'),
        sa.Index('ix_volumes_snapshot', 'snapshot_id', 'deleted'),
    )


class VolumeMetadata(_Table):
    table = 'volume_metadata'
    volume_id = _owner('volumes')
    key = _key()
    value = _text()


class VolumeAdminMetadata(_Table):
    table = 'volume_admin_metadata'
    volume_id = _owner('volumes')
    key = _key()
    value = _text()


class VolumeGlanceMetadata(_Table):
    """Image metadata of a volume or of a snapshot: one of the two ids is set."""

    table = 'volume_glance_metadata'
    id = _number()
    volume_id = _uuid(sa.ForeignKey('volumes.id', ondelete='CASCADE'))
    snapshot_id = _uuid(sa.ForeignKey('snapshots.id', ondelete='CASCADE'))
    key = _text(nullable=False)
    value = sa.Column(sa.Text)
    extra = (sa.UniqueConstraint('volume_id', 'key'), sa.UniqueConstraint('snapshot_id', 'key'))


class VolumeAttachment(_Table):
    """`project_id` repeats that of the volume, so that the list of a project needs no join."""

    table = 'volume_attachment'
    soft_deleted = True
    id = _id()
    project_id = _text()
    volume_id = _uuid(sa.ForeignKey('volumes.id'), nullable=False)
    instance_uuid = _uuid()
    attached_host = _text()
    mountpoint = _text()
    attach_time = _time()
    detach_time = _time()
    attach_status = _text()
    attach_mode = _text(36)
    connection_info = _json()
    connector = _json()
    extra = (*_listing(), sa.Index('ix_volume_attachment_volume', 'volume_id', 'deleted'),
             sa.Index('ix_volume_attachment_instance', 'instance_uuid', 'deleted'))


class Transfer(_Table):
    table = 'transfers'
    soft_deleted = True
    id = _id()
    volume_id = _uuid(sa.ForeignKey('volumes.id'), nullable=False)
    display_name = _text()
    salt = _text()
    crypt_hash = _text()
    expires_at = _time()
    no_snapshots = _flag()
    source_project_id = _text()
    destination_project_id = _text()
    accepted = _flag()
    extra = (sa.Index('ix_transfers_listing', 'deleted', 'created_at', 'id'),
             sa.Index('ix_transfers_volume', 'volume_id', 'deleted'),
             sa.Index('ix_transfers_project', 'source_project_id', 'deleted', 'created_at', 'id'))


# -------------------------------------------------------------------------------- snapshots
class Snapshot(_Table):
    table = 'snapshots'
    soft_deleted = True
    id = _id()
    project_id = _text()
    user_id = _text()
    volume_id = _uuid(sa.ForeignKey('volumes.id'), nullable=False)
    volume_size = sa.Column(sa.Integer)
    volume_type_id = _uuid()
    status = _text()
    progress = _text()
    display_name = _text()
    display_description = _text()
    encryption_key_id = _uuid()
    group_snapshot_id = _uuid()
    provider_id = _text()
    provider_location = sa.Column(sa.Text)
    provider_auth = sa.Column(sa.Text)
    use_quota = _flag(True)
    extra = (
        *_listing(),
        sa.Index('ix_snapshots_volume', 'volume_id', 'deleted', 'created_at'),
        sa.Index('ix_snapshots_quota', 'project_id', 'deleted', 'use_quota', 'volume_type_id',
                 'volume_size'),
        sa.Index('ix_snapshots_group', 'group_snapshot_id', 'deleted'),
    )


class SnapshotMetadata(_Table):
    table = 'snapshot_metadata'
    snapshot_id = _owner('snapshots')
    key = _key()
    value = _text()


# ------------------------------------------------------------------------------------ types
class VolumeType(_Table):
    """`live_name` is the name while the type exists, and NULL after its deletion: names are unique
    among existing types on every engine."""

    table = 'volume_types'
    soft_deleted = True
    id = _id()
    name = _text(nullable=False)
    live_name = _text(unique=True)
    description = _text()
    is_public = _flag(True)
    qos_specs_id = _uuid()
    extra = (sa.Index('ix_volume_types_listing', 'deleted', 'created_at', 'id'),
             sa.Index('ix_volume_types_qos', 'qos_specs_id', 'deleted'))


class VolumeTypeExtraSpec(_Table):
    table = 'volume_type_extra_specs'
    volume_type_id = _owner('volume_types')
    key = _key()
    value = _text()


class VolumeTypeProject(_Table):
    table = 'volume_type_projects'
    volume_type_id = _owner('volume_types')
    project_id = _key()
    extra = (sa.Index(None, 'project_id'),)


class Encryption(_Table):
    table = 'encryption'
    encryption_id = _id()
    volume_type_id = _uuid(sa.ForeignKey('volume_types.id', ondelete='CASCADE'), nullable=False,
                           unique=True)
    cipher = _text()
    key_size = sa.Column(sa.Integer)
    provider = _text()
    control_location = _text()


class DefaultVolumeType(_Table):
    table = 'default_volume_types'
    project_id = _key()
    volume_type_id = _uuid(sa.ForeignKey('volume_types.id', ondelete='CASCADE'), nullable=False)
    extra = (sa.Index(None, 'volume_type_id'),)


class QualityOfServiceSpec(_Table):
    """A set of specs; `live_name` is the name while the set exists, and NULL after its deletion."""

    table = 'quality_of_service_specs'
    soft_deleted = True
    id = _id()
    name = _text(nullable=False)
    live_name = _text(unique=True)
    consumer = _text()
    extra = (sa.Index('ix_quality_of_service_specs_listing', 'deleted', 'created_at', 'id'),)


class QualityOfServiceValue(_Table):
    table = 'quality_of_service_values'
    specs_id = _owner('quality_of_service_specs')
    key = _key()
    value = _text()


# ----------------------------------------------------------------------------------- quotas
class Quota(_Table):
    table = 'quotas'
    project_id = _key()
    resource = _key()
    hard_limit = sa.Column(sa.Integer, nullable=False)


class QuotaClass(_Table):
    table = 'quota_classes'
    class_name = _key()
    resource = _key()
    hard_limit = sa.Column(sa.Integer, nullable=False)


class QuotaLock(_Table):
    """One row per project, locked by a request that uses more of a quota."""

    table = 'quota_locks'
    project_id = _key()


# ------------------------------------------------------------------------------------ pools
class Notice(_Table):
    """A notification that waits to be sent, see notices.py. Sending deletes it."""

    table = 'notices'
    id = sa.Column(sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), primary_key=True,
                   autoincrement=True)
    message_id = _uuid(nullable=False)
    event_type = _text(nullable=False)
    publisher_id = _text(nullable=False)
    priority = _text(16, nullable=False)
    payload = _long()
    context = sa.Column(sa.Text)


class NoticeLease(_Table):
    """Which process sends the notifications, until when; one row."""

    table = 'notice_lease'
    id = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    holder = _text(nullable=False)
    until = _time(nullable=False)


class UnusedKey(_Table):
    """A key in the key manager that is to be deleted there, see unused_keys.py."""

    table = 'unused_keys'
    id = _uuid(primary_key=True)
    project_id = _text()
    volume_id = _uuid()
    extra = (sa.Index(None, 'project_id'),)


class KeyIntent(_Table):
    """A key that a request is about to create in the key manager, see key_intents.py; the key has
    this id in its name."""

    table = 'key_intents'
    id = _uuid(primary_key=True)
    project_id = _text()
    user_id = _text()
    abandoned = sa.Column(sa.Boolean, nullable=False)
    extra = (sa.Index(None, 'project_id'),)


class Trash(_Table):
    """A deleted volume or snapshot that its storage keeps, see trash.py. The id is that of the
    resource; while its row is here, `db purge` keeps that of the resource."""

    table = 'trash'
    id = _id()
    resource_type = _text(36, nullable=False)
    volume_id = _uuid(sa.ForeignKey('volumes.id'), nullable=False)
    snapshot_id = _uuid(sa.ForeignKey('snapshots.id'))
    project_id = _text()
    user_id = _text()
    display_name = _text()
    size = sa.Column(sa.Integer, nullable=False)
    volume_type_id = _uuid()
    encryption_key_id = _uuid()
    host = _text()
    cluster_name = _text()
    status = _text(nullable=False)
    counted = _flag()
    purge_at = _time(nullable=False)
    extra = (sa.Index(None, 'project_id', 'created_at', 'id'), sa.Index(None, 'volume_id'),
             sa.Index(None, 'snapshot_id'))


class TrashBackend(_Table):
    """How long a back end, 'host@backend' or 'cluster@backend', keeps what is deleted; 0: it does
    not."""

    table = 'trash_backends'
    name = _key()
    hours = sa.Column(sa.Integer, nullable=False)


class Pool(_Table):
    """GiB that were ever promised to each pool, 'host@backend#pool' or 'cluster@backend#pool'; the
    counts only grow, see pools.py."""

    table = 'pools'
    name = _key()
    promised = sa.Column(sa.BigInteger, nullable=False, default=0)
    promised_thick = sa.Column(sa.BigInteger, nullable=False, default=0)


# --------------------------------------------------------------------------------- messages
class Message(_Table):
    table = 'messages'
    soft_deleted = True
    id = _id()
    project_id = _text()
    request_id = _text()
    resource_type = _text(36)
    resource_uuid = _uuid()
    action_id = _text(36)
    detail_id = _text(36)
    event_id = _text()
    message_level = _text(36)
    user_message = sa.Column(sa.Text)
    operator_detail = sa.Column(sa.Text)
    expires_at = _time()
    extra = (*_listing(), sa.Index(None, 'expires_at'),
             sa.Index('ix_messages_resource', 'resource_uuid', 'deleted'))


# ----------------------------------------------------------------------------------- events
class Event(_Table):
    """A change of a resource. `position` is NULL until the transaction that made the change is
    committed, see events.py; `body` has the columns that the row had at the end of it."""

    table = 'events'
    id = sa.Column(sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), primary_key=True,
                   autoincrement=True)
    position = sa.Column(sa.BigInteger, unique=True)
    project_id = _text()
    user_id = _text()
    request_id = _text()
    resource_type = _text(36, nullable=False)
    resource_id = _uuid(nullable=False)
    kind = _text(16, nullable=False)
    changed = sa.Column(sa.Text)
    body = _long()
    extra = (sa.Index(None, 'project_id', 'position'),)


class EventSequence(_Table):
    """One row: the last position that an event has."""

    table = 'event_sequence'
    id = _number()
    last = sa.Column(sa.BigInteger, nullable=False)


# ----------------------------------------------------------------------------------- groups
class Group(_Table):
    table = 'groups'
    soft_deleted = True
    id = _id()
    project_id = _text()
    user_id = _text()
    name = _text()
    description = _text()
    status = _text()
    availability_zone = _text()
    host = _text()
    cluster_name = _text()
    group_type_id = _uuid()
    group_snapshot_id = _uuid()
    source_group_id = _uuid()
    replication_status = _text()
    extra = (*_listing(), sa.Index('ix_groups_host', 'host', 'deleted'))


class GroupType(_Table):
    table = 'group_types'
    soft_deleted = True
    id = _id()
    name = _text(nullable=False)
    live_name = _text(unique=True)
    description = _text()
    is_public = _flag(True)
    extra = (sa.Index('ix_group_types_listing', 'deleted', 'created_at', 'id'),)


class GroupTypeSpec(_Table):
    table = 'group_type_specs'
    group_type_id = _owner('group_types')
    key = _key()
    value = _text()


class GroupTypeProject(_Table):
    table = 'group_type_projects'
    group_type_id = _owner('group_types')
    project_id = _key()
    extra = (sa.Index(None, 'project_id'),)


class GroupVolumeType(_Table):
    table = 'group_volume_type_mapping'
    group_id = _owner('groups')
    volume_type_id = _uuid(primary_key=True)
    extra = (sa.Index(None, 'volume_type_id'),)


class GroupSnapshot(_Table):
    table = 'group_snapshots'
    soft_deleted = True
    id = _id()
    project_id = _text()
    user_id = _text()
    group_id = _uuid(sa.ForeignKey('groups.id'), nullable=False)
    group_type_id = _uuid()
    name = _text()
    description = _text()
    status = _text()
    extra = (*_listing(), sa.Index('ix_group_snapshots_group', 'group_id', 'deleted'))


# ---------------------------------------------------------------------------------- backups
class Backup(_Table):
    table = 'backups'
    soft_deleted = True
    id = _id()
    project_id = _text()
    user_id = _text()
    volume_id = _uuid()
    snapshot_id = _uuid()
    parent_id = _uuid()
    display_name = _text()
    display_description = _text()
    size = sa.Column(sa.Integer)
    status = _text()
    fail_reason = sa.Column(sa.Text)
    host = _text()
    availability_zone = _text()
    container = _text()
    service = _text()
    service_metadata = sa.Column(sa.Text)
    object_count = sa.Column(sa.Integer)
    data_timestamp = _time()
    restore_volume_id = _uuid()
    encryption_key_id = _uuid()
    extra = (*_listing(), sa.Index('ix_backups_volume', 'volume_id', 'deleted', 'created_at'),
             sa.Index('ix_backups_parent', 'parent_id', 'deleted'),
             sa.Index('ix_backups_host', 'host', 'deleted'),
             sa.Index('ix_backups_quota', 'project_id', 'deleted', 'size'))


class BackupMetadata(_Table):
    table = 'backup_metadata'
    backup_id = _owner('backups')
    key = _key()
    value = _text()


class ImageCacheEntry(_Table):
    table = 'image_volume_cache_entries'
    id = _number()
    volume_id = _uuid(nullable=False, unique=True)
    host = _text()
    cluster_name = _text()
    image_id = _uuid(nullable=False)
    image_updated_at = _time()
    size = sa.Column(sa.Integer)
    last_used = _time()
    extra = (sa.Index('ix_image_volume_cache_entries_image', 'image_id', 'host'),
             sa.Index('ix_image_volume_cache_entries_used', 'host', 'last_used'))
