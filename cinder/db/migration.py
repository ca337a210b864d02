# SPDX-License-Identifier: Apache-2.0
"""Creates and upgrades the tables, and returns their revision.

The steps are alembic revisions in `migrations/versions`. They do not import `models`, which
describes the current tables, not those of a revision.
"""
import os

import sqlalchemy as sa
from alembic import command, config, script
from alembic.runtime import migration

from cinder import exception
from cinder.db import session


def _config(connection: sa.Connection | None = None) -> config.Config:
    made = config.Config()
    folder = os.path.join(os.path.dirname(__file__), 'migrations')
    # A percent sign would start an interpolation of alembic.
    made.set_main_option('script_location', folder.replace('%', '%%'))
    made.attributes['connection'] = connection
    return made


def db_sync(version: str | None = None, connection: sa.Connection | None = None) -> None:
    """Run the missing revisions, in one transaction if the engine supports that.

    :param version: revision to upgrade to; None: the newest.
    :param connection: an open transaction to use instead of the configured database.
    """
    if connection is not None:
        command.upgrade(_config(connection), version or 'head')
        return
    with session.current().writer.begin() as own:
        command.upgrade(_config(own), version or 'head')


def db_version() -> str | None:
    """Return the revision of the tables, also of those that are refused; None before the first
    db_sync."""
    try:
        with session.current().reader.connect() as conn:
            return migration.MigrationContext.configure(conn).get_current_revision()
    except exception.TablesRefused as exc:
        return exc.kwargs['revision']


def revisions() -> list[str]:
    """Return all revisions that db_sync can upgrade to, oldest first."""
    found = script.ScriptDirectory.from_config(_config()).walk_revisions()
    return [each.revision for each in found][::-1]


def head() -> str:
    """Return the revision that this release needs."""
    return script.ScriptDirectory.from_config(_config()).get_current_head()
