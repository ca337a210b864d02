# SPDX-License-Identifier: Apache-2.0
"""The tables of the events, and of the last position that one of them has."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0005'
down_revision = '0004'

_NAME = sa.String(255)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
_LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), 'mysql', 'mariadb')
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_MYSQL = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    """Create the tables, unless an interrupted run has done it."""
    metadata = sa.MetaData(naming_convention={
        'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
        'uq': 'uq_%(table_name)s_%(column_0_N_name)s', 'pk': 'pk_%(table_name)s'})
    sa.Table(
        'events', metadata,
        sa.Column('id', _NUMBER, primary_key=True, autoincrement=True),
        sa.Column('position', sa.BigInteger, unique=True),
        sa.Column('project_id', _NAME), sa.Column('user_id', _NAME),
        sa.Column('request_id', _NAME), sa.Column('resource_type', sa.String(36), nullable=False),
        sa.Column('resource_id', sa.String(36), nullable=False),
        sa.Column('kind', sa.String(16), nullable=False), sa.Column('changed', sa.Text),
        sa.Column('body', _LONG), sa.Column('created_at', _TIME),
        sa.Column('updated_at', _TIME), sa.Index(None, 'project_id', 'position'), **_MYSQL)
    sa.Table(
        'event_sequence', metadata,
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('last', sa.BigInteger, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME), **_MYSQL)
    metadata.create_all(op.get_bind())
