# SPDX-License-Identifier: Apache-2.0
"""Script of alembic for each command; cinder.db.migration passes the connection."""
from alembic import context

connection = context.config.attributes['connection']
context.configure(connection=connection, render_as_batch=connection.dialect.name == 'sqlite')
with context.begin_transaction():
    context.run_migrations()
