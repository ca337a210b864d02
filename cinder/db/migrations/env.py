# SPDX-License-Identifier: Apache-2.0
"""What alembic runs for each command: the connection comes from cinder.db.migration."""
from alembic import context

connection = context.config.attributes['connection']
context.configure(connection=connection, render_as_batch=connection.dialect.name == 'sqlite')
with context.begin_transaction():
    context.run_migrations()
