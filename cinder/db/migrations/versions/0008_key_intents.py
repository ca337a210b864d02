# SPDX-License-Identifier: Apache-2.0
"""The table of keys that requests are about to create in the key manager."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0008'
down_revision = '0007'

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')


def upgrade() -> None:
    """Create the table, unless an interrupted run has done it."""
    sa.Table(
        'key_intents', sa.MetaData(naming_convention={
            'pk': 'pk_%(table_name)s', 'ix': 'ix_%(table_name)s_%(column_0_N_name)s'}),
        sa.Column('id', sa.String(36), primary_key=True),
        sa.Column('project_id', sa.String(255)),
        sa.Column('user_id', sa.String(255)),
        sa.Column('abandoned', sa.Boolean, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME),
        sa.Index(None, 'project_id'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4', mysql_collate='utf8mb4_bin',
    ).create(op.get_bind(), checkfirst=True)
