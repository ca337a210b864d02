# SPDX-License-Identifier: Apache-2.0
"""The column of a user message that only operators read."""
import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    """Add the column, unless an interrupted run has done it."""
    present = {column['name'] for column in sa.inspect(op.get_bind()).get_columns('messages')}
    if 'operator_detail' not in present:
        op.add_column('messages', sa.Column('operator_detail', sa.Text))
