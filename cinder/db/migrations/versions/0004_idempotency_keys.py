# SPDX-License-Identifier: Apache-2.0
"""The table of the keys of repeated requests, and the indexes of the lists of operations."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0004'
down_revision = '0003'

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
_LONG = sa.Text().with_variant(mysql.MEDIUMTEXT, 'mysql', 'mariadb')
_INDEXES = {'ix_operations_listing': ['project_id', 'created_at', 'id'],
            'ix_operations_all': ['created_at', 'id']}


def upgrade() -> None:
    """Create the table and the indexes, unless an interrupted run has done it."""
    table = sa.Table(
        'idempotency_keys', sa.MetaData(naming_convention={
            'pk': 'pk_%(table_name)s', 'ix': 'ix_%(table_name)s_%(column_0_N_name)s'}),
        sa.Column('id', sa.String(64), primary_key=True),
        sa.Column('token', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255)),
        sa.Column('fields', _LONG), sa.Column('reply', _LONG),
        sa.Column('operation_id', sa.String(36)),
        sa.Column('resource_type', sa.String(36)), sa.Column('resource_id', sa.String(36)),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME),
        sa.Index(None, 'created_at'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4', mysql_collate='utf8mb4_bin')
    table.create(op.get_bind(), checkfirst=True)
    present = {index['name'] for index in sa.inspect(op.get_bind()).get_indexes('operations')}
    for name, columns in _INDEXES.items():
        if name not in present:
            op.create_index(name, 'operations', columns)
