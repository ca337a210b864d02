# SPDX-License-Identifier: Apache-2.0
"""The tables of the first release, and the default volume type."""
import datetime
import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column as _
from sqlalchemy.dialects import mysql

revision = '0001'
down_revision = None

_UUID = sa.String(36)
_NAME = sa.String(255)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
_LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), 'mysql', 'mariadb')
# Names and metadata keys that differ only in case are different on all engines.
_MYSQL = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}

_metadata = sa.MetaData(naming_convention={
    'ix': 'ix_%(table_name)s_%(column_0_N_name)s', 'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    'fk': 'fk_%(table_name)s_%(column_0_name)s', 'pk': 'pk_%(table_name)s',
})


def upgrade() -> None:
    """Create the tables. MySQL commits each statement, so an earlier run may have been partial."""
    conn = op.get_bind()
    present = sa.inspect(conn).get_table_names()
    _metadata.create_all(conn)
    for table in (_metadata.tables[name] for name in present if name in _metadata.tables):
        for index in table.indexes:
            index.create(conn, checkfirst=True)
    types = _metadata.tables['volume_types']
    if conn.execute(sa.select(types.c.id).where(types.c.live_name == '__DEFAULT__')).first():
        return
    conn.execute(types.insert().values(
        id=str(uuid.uuid4()), name='__DEFAULT__', live_name='__DEFAULT__', is_public=True,
        description='The type of volumes whose request names none', deleted=False,
        created_at=datetime.datetime.now(datetime.UTC).replace(tzinfo=None)))


def _parent(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete='CASCADE')


def _table(name: str, *parts: sa.schema.SchemaItem, soft_deleted: bool = False) -> None:
    times = [_('created_at', _TIME, nullable=not soft_deleted), _('updated_at', _TIME)]
    if soft_deleted:
        times += [_('deleted', sa.Boolean, nullable=False), _('deleted_at', _TIME),
                  sa.Index(None, 'deleted_at')]
    indexes = [part for part in parts if not isinstance(part, sa.Column)]
    columns = [part for part in parts if isinstance(part, sa.Column)]
    sa.Table(name, _metadata, *columns, *times, *indexes, **_MYSQL)


_table('backups', _('id', _UUID, primary_key=True), _('project_id', _NAME), _('user_id', _NAME),
       _('volume_id', _UUID), _('snapshot_id', _UUID), _('parent_id', _UUID),
       _('display_name', _NAME), _('display_description', _NAME), _('size', sa.Integer),
       _('status', _NAME), _('fail_reason', sa.Text), _('host', _NAME),
       _('availability_zone', _NAME), _('container', _NAME), _('service', _NAME),
       _('service_metadata', sa.Text), _('object_count', sa.Integer), _('data_timestamp', _TIME),
       _('restore_volume_id', _UUID), _('encryption_key_id', _UUID),
       sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_backups_host', 'host', 'deleted'),
       sa.Index('ix_backups_parent', 'parent_id', 'deleted'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_backups_quota', 'project_id', 'deleted', 'size'),
       sa.Index('ix_backups_volume', 'volume_id', 'deleted', 'created_at'), soft_deleted=True)
_table('clusters', _('id', sa.Integer, primary_key=True), _('name', _NAME, nullable=False),
       _('binary', _NAME, nullable=False), _('disabled', sa.Boolean, nullable=False),
       _('disabled_reason', _NAME), _('replication_status', _UUID), _('active_backend_id', _NAME),
       _('frozen', sa.Boolean, nullable=False), sa.UniqueConstraint('name', 'binary'),
       soft_deleted=True)
_table('group_types', _('id', _UUID, primary_key=True), _('name', _NAME, nullable=False),
       _('live_name', _NAME, unique=True), _('description', _NAME),
       _('is_public', sa.Boolean, nullable=False),
       sa.Index('ix_group_types_listing', 'deleted', 'created_at', 'id'), soft_deleted=True)
_table('groups', _('id', _UUID, primary_key=True), _('project_id', _NAME), _('user_id', _NAME),
       _('name', _NAME), _('description', _NAME), _('status', _NAME),
       _('availability_zone', _NAME), _('host', _NAME), _('cluster_name', _NAME),
       _('group_type_id', _UUID), _('group_snapshot_id', _UUID), _('source_group_id', _UUID),
       _('replication_status', _NAME), sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_groups_host', 'host', 'deleted'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'), soft_deleted=True)
_table('image_volume_cache_entries', _('id', sa.Integer, primary_key=True),
       _('volume_id', _UUID, unique=True, nullable=False), _('host', _NAME),
       _('cluster_name', _NAME), _('image_id', _UUID, nullable=False),
       _('image_updated_at', _TIME), _('size', sa.Integer), _('last_used', _TIME),
       sa.Index('ix_image_volume_cache_entries_image', 'image_id', 'host'),
       sa.Index('ix_image_volume_cache_entries_used', 'host', 'last_used'))
_table('messages', _('id', _UUID, primary_key=True), _('project_id', _NAME),
       _('request_id', _NAME), _('resource_type', _UUID), _('resource_uuid', _UUID),
       _('action_id', _UUID), _('detail_id', _UUID), _('event_id', _NAME),
       _('message_level', _UUID), _('user_message', sa.Text), _('expires_at', _TIME),
       sa.Index(None, 'deleted', 'created_at', 'id'), sa.Index(None, 'expires_at'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_messages_resource', 'resource_uuid', 'deleted'), soft_deleted=True)
_table('operations', _('id', _UUID, primary_key=True), _('verb', sa.String(64), nullable=False),
       _('resource_type', sa.String(64), nullable=False), _('resource_id', _UUID, nullable=False),
       _('project_id', _NAME), _('user_id', _NAME), _('request_id', _NAME), _('arguments', _LONG),
       _('stage', sa.String(16), nullable=False), _('host', _NAME), _('cluster', _NAME),
       _('state', sa.String(16), nullable=False), _('owner', sa.String(300)),
       _('fence', sa.Integer, nullable=False), _('lease_until', _TIME),
       _('attempt', sa.Integer, nullable=False), _('progress_done', sa.BigInteger),
       _('progress_total', sa.BigInteger), _('error', sa.Text), _('finished_at', _TIME),
       sa.Index(None, 'finished_at'), sa.Index(None, 'resource_id', 'state'),
       sa.Index(None, 'stage', 'state', 'created_at'), sa.Index(None, 'state', 'owner'))
_table('quality_of_service_specs', _('id', _UUID, primary_key=True),
       _('name', _NAME, nullable=False), _('live_name', _NAME, unique=True), _('consumer', _NAME),
       sa.Index('ix_quality_of_service_specs_listing', 'deleted', 'created_at', 'id'),
       soft_deleted=True)
_table('quality_of_service_values',
       _('specs_id', _UUID, _parent('quality_of_service_specs.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('quota_classes', _('class_name', _NAME, primary_key=True),
       _('resource', _NAME, primary_key=True), _('hard_limit', sa.Integer, nullable=False))
_table('quota_locks', _('project_id', _NAME, primary_key=True))
_table('quotas', _('project_id', _NAME, primary_key=True), _('resource', _NAME, primary_key=True),
       _('hard_limit', sa.Integer, nullable=False))
_table('services', _('id', sa.Integer, primary_key=True),
       _('uuid', _UUID, unique=True, nullable=False), _('host', _NAME, nullable=False),
       _('binary', _NAME, nullable=False), _('topic', _NAME), _('cluster_name', _NAME),
       _('report_count', sa.Integer, nullable=False), _('disabled', sa.Boolean, nullable=False),
       _('disabled_reason', _NAME), _('availability_zone', _NAME), _('rpc_current_version', _UUID),
       _('object_current_version', _UUID), _('replication_status', _UUID),
       _('active_backend_id', _NAME), _('frozen', sa.Boolean, nullable=False),
       _('modified_at', _TIME), sa.UniqueConstraint('host', 'binary'), soft_deleted=True)
_table('volume_types', _('id', _UUID, primary_key=True), _('name', _NAME, nullable=False),
       _('live_name', _NAME, unique=True), _('description', _NAME),
       _('is_public', sa.Boolean, nullable=False), _('qos_specs_id', _UUID),
       sa.Index('ix_volume_types_listing', 'deleted', 'created_at', 'id'),
       sa.Index('ix_volume_types_qos', 'qos_specs_id', 'deleted'), soft_deleted=True)
_table('volumes', _('id', _UUID, primary_key=True), _('name_id', _UUID), _('project_id', _NAME),
       _('user_id', _NAME), _('display_name', _NAME), _('display_description', _NAME),
       _('size', sa.Integer), _('status', _NAME), _('previous_status', _NAME),
       _('attach_status', _NAME), _('migration_status', _NAME), _('availability_zone', _NAME),
       _('host', _NAME), _('cluster_name', _NAME), _('service_uuid', _UUID),
       _('volume_type_id', _UUID), _('snapshot_id', _UUID), _('source_volid', _UUID),
       _('group_id', _UUID), _('encryption_key_id', _UUID),
       _('bootable', sa.Boolean, nullable=False), _('multiattach', sa.Boolean, nullable=False),
       _('provider_id', _NAME), _('provider_location', sa.Text), _('provider_auth', sa.Text),
       _('replication_status', _NAME), _('replication_extended_status', _NAME),
       _('replication_driver_data', sa.Text), _('shared_targets', sa.Boolean),
       _('growth', sa.Integer, nullable=False), _('use_quota', sa.Boolean, nullable=False),
       _('scheduled_at', _TIME), _('launched_at', _TIME), _('terminated_at', _TIME),
       # The operator class lets PostgreSQL use them for LIKE 'host@backend#%'.
       sa.Index('ix_volumes_cluster_name', 'cluster_name', 'deleted',
                postgresql_ops={'cluster_name': 'varchar_pattern_ops'}),
       sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_volumes_group', 'group_id', 'deleted'),
       sa.Index('ix_volumes_host', 'host', 'deleted',
                postgresql_ops={'host': 'varchar_pattern_ops'}),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_volumes_quota', 'project_id', 'deleted', 'use_quota', 'volume_type_id',
                'size', 'growth'), sa.Index('ix_volumes_snapshot', 'snapshot_id', 'deleted'),
       sa.Index('ix_volumes_source', 'source_volid', 'deleted'),
       sa.Index('ix_volumes_type', 'volume_type_id', 'deleted'), soft_deleted=True)
_table('backup_metadata', _('backup_id', _UUID, _parent('backups.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('default_volume_types', _('project_id', _NAME, primary_key=True),
       _('volume_type_id', _UUID, _parent('volume_types.id'), nullable=False),
       sa.Index(None, 'volume_type_id'))
_table('encryption', _('encryption_id', _UUID, primary_key=True),
       _('volume_type_id', _UUID, _parent('volume_types.id'), unique=True, nullable=False),
       _('cipher', _NAME), _('key_size', sa.Integer), _('provider', _NAME),
       _('control_location', _NAME))
_table('group_snapshots', _('id', _UUID, primary_key=True), _('project_id', _NAME),
       _('user_id', _NAME), _('group_id', _UUID, sa.ForeignKey('groups.id'), nullable=False),
       _('group_type_id', _UUID), _('name', _NAME), _('description', _NAME), _('status', _NAME),
       sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_group_snapshots_group', 'group_id', 'deleted'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'), soft_deleted=True)
_table('group_type_projects',
       _('group_type_id', _UUID, _parent('group_types.id'), primary_key=True),
       _('project_id', _NAME, primary_key=True), sa.Index(None, 'project_id'))
_table('group_type_specs', _('group_type_id', _UUID, _parent('group_types.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('group_volume_type_mapping', _('group_id', _UUID, _parent('groups.id'), primary_key=True),
       _('volume_type_id', _UUID, primary_key=True), sa.Index(None, 'volume_type_id'))
_table('snapshots', _('id', _UUID, primary_key=True), _('project_id', _NAME), _('user_id', _NAME),
       _('volume_id', _UUID, sa.ForeignKey('volumes.id'), nullable=False),
       _('volume_size', sa.Integer), _('volume_type_id', _UUID), _('status', _NAME),
       _('progress', _NAME), _('display_name', _NAME), _('display_description', _NAME),
       _('encryption_key_id', _UUID), _('group_snapshot_id', _UUID), _('provider_id', _NAME),
       _('provider_location', sa.Text), _('provider_auth', sa.Text),
       _('use_quota', sa.Boolean, nullable=False), sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_snapshots_group', 'group_snapshot_id', 'deleted'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_snapshots_quota', 'project_id', 'deleted', 'use_quota', 'volume_type_id',
                'volume_size'),
       sa.Index('ix_snapshots_volume', 'volume_id', 'deleted', 'created_at'), soft_deleted=True)
_table('transfers', _('id', _UUID, primary_key=True),
       _('volume_id', _UUID, sa.ForeignKey('volumes.id'), nullable=False),
       _('display_name', _NAME), _('salt', _NAME), _('crypt_hash', _NAME), _('expires_at', _TIME),
       _('no_snapshots', sa.Boolean, nullable=False), _('source_project_id', _NAME),
       _('destination_project_id', _NAME), _('accepted', sa.Boolean, nullable=False),
       sa.Index('ix_transfers_listing', 'deleted', 'created_at', 'id'),
       sa.Index('ix_transfers_project', 'source_project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_transfers_volume', 'volume_id', 'deleted'), soft_deleted=True)
_table('volume_admin_metadata', _('volume_id', _UUID, _parent('volumes.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('volume_attachment', _('id', _UUID, primary_key=True), _('project_id', _NAME),
       _('volume_id', _UUID, sa.ForeignKey('volumes.id'), nullable=False),
       _('instance_uuid', _UUID), _('attached_host', _NAME), _('mountpoint', _NAME),
       _('attach_time', _TIME), _('detach_time', _TIME), _('attach_status', _NAME),
       _('attach_mode', _UUID), _('connection_info', _LONG), _('connector', _LONG),
       sa.Index(None, 'deleted', 'created_at', 'id'),
       sa.Index('ix_volume_attachment_instance', 'instance_uuid', 'deleted'),
       sa.Index(None, 'project_id', 'deleted', 'created_at', 'id'),
       sa.Index('ix_volume_attachment_volume', 'volume_id', 'deleted'), soft_deleted=True)
_table('volume_metadata', _('volume_id', _UUID, _parent('volumes.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('volume_type_extra_specs',
       _('volume_type_id', _UUID, _parent('volume_types.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('volume_type_projects',
       _('volume_type_id', _UUID, _parent('volume_types.id'), primary_key=True),
       _('project_id', _NAME, primary_key=True), sa.Index(None, 'project_id'))
_table('snapshot_metadata', _('snapshot_id', _UUID, _parent('snapshots.id'), primary_key=True),
       _('key', _NAME, primary_key=True), _('value', _NAME))
_table('volume_glance_metadata', _('id', sa.Integer, primary_key=True),
       _('volume_id', _UUID, _parent('volumes.id')),
       _('snapshot_id', _UUID, _parent('snapshots.id')), _('key', _NAME, nullable=False),
       _('value', sa.Text), sa.UniqueConstraint('snapshot_id', 'key'),
       sa.UniqueConstraint('volume_id', 'key'))
