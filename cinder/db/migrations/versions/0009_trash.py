# SPDX-License-Identifier: Apache-2.0
"""The tables of deleted volumes and snapshots that can be restored, and of back ends that keep
them."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0009'
down_revision = '0008'

_ID, _NAME = sa.String(36), sa.String(255)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
_MYSQL = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    """Create the tables, unless an interrupted run has done it."""
    metadata = sa.MetaData(naming_convention={
        'pk': 'pk_%(table_name)s', 'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
        'fk': 'fk_%(table_name)s_%(column_0_name)s'})
    for name in ('volumes', 'snapshots'):  # what the foreign keys refer to
        sa.Table(name, metadata, sa.Column('id', _ID, primary_key=True))
    made = [sa.Table(
        'trash', metadata,
        sa.Column('id', _ID, primary_key=True),
        sa.Column('resource_type', sa.String(36), nullable=False),
        sa.Column('volume_id', _ID, sa.ForeignKey('volumes.id'), nullable=False),
        sa.Column('snapshot_id', _ID, sa.ForeignKey('snapshots.id')),
        sa.Column('project_id', _NAME), sa.Column('user_id', _NAME),
        sa.Column('display_name', _NAME),
        sa.Column('size', sa.Integer, nullable=False), sa.Column('volume_type_id', _ID),
        sa.Column('encryption_key_id', _ID), sa.Column('host', _NAME),
        sa.Column('cluster_name', _NAME), sa.Column('status', _NAME, nullable=False),
        sa.Column('counted', sa.Boolean(create_constraint=False), nullable=False),
        sa.Column('purge_at', _TIME, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME),
        sa.Index(None, 'project_id', 'created_at', 'id'), sa.Index(None, 'volume_id'),
        sa.Index(None, 'snapshot_id'), **_MYSQL), sa.Table(
        'trash_backends', metadata,
        sa.Column('name', _NAME, primary_key=True),
        sa.Column('hours', sa.Integer, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME), **_MYSQL)]
    metadata.create_all(op.get_bind(), tables=made)
