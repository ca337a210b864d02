# SPDX-License-Identifier: Apache-2.0
"""The table of the space that was promised to each pool."""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = '0002'
down_revision = '0001'

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')


def upgrade() -> None:
    """Create the table, unless an interrupted run has done it."""
    sa.Table(
        'pools', sa.MetaData(naming_convention={'pk': 'pk_%(table_name)s'}),
        sa.Column('name', sa.String(255), primary_key=True),
        sa.Column('promised', sa.BigInteger, nullable=False),
        sa.Column('promised_thick', sa.BigInteger, nullable=False),
        sa.Column('created_at', _TIME), sa.Column('updated_at', _TIME),
        mysql_engine='InnoDB', mysql_charset='utf8mb4', mysql_collate='utf8mb4_bin',
    ).create(op.get_bind(), checkfirst=True)
