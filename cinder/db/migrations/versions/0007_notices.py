# SPDX-License-Identifier: Apache-2.0
"""The tables of the notifications that wait to be sent, and of who sends them."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0007'
down_revision = '0006'

_NAME = sa.String(255)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
_LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), 'mysql', 'mariadb')
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_MYSQL = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    """Create the tables, unless an interrupted run has done it."""
    metadata = sa.MetaData(naming_convention={'pk': 'pk_%(table_name)s'})
    sa.Table(
        'notices', metadata,
        sa.Column('id', _NUMBER, primary_key=True, autoincrement=True),
        sa.Column('message_id', sa.String(36), nullable=False),
        sa.Column('event_type', _NAME, nullable=False),
        sa.Column('publisher_id', _NAME, nullable=False),
        sa.Column('priority', sa.String(16), nullable=False),
        sa.Column('payload', _LONG), sa.Column('context', sa.Text),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME), **_MYSQL)
    sa.Table(
        'notice_lease', metadata,
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('holder', _NAME, nullable=False), sa.Column('until', _TIME, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME), **_MYSQL)
    metadata.create_all(op.get_bind())
