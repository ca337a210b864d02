# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db adopt`: takes over the database of the original Cinder. Parses its arguments
and prints; cinder.db.adoption does the work."""
from typing import Any

from cinder.cmd.tables import complain
from cinder.db.adoption import source

# For the table COMMANDS of manage.py.
ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('source_url', {'metavar': 'SOURCE_URL', 'help': 'database of the original, which is only '
                    'read'}),
    ('--map-host', {'action': 'append', 'default': [], 'metavar': 'OLD=NEW',
                    'help': 'rename a host, host@backend or host@backend#pool in all tables; can '
                            'be repeated'}),
    ('--deleted-days', {'type': int, 'default': 0, 'metavar': 'N',
                        'help': 'also copy rows that were deleted in the last N days'}),
)


def adopt(source_url: str, map_host: list[str], deleted_days: int) -> int:
    """Copy the database of the original Cinder into the configured one."""
    opened = source.Source(source_url)
    try:
        return complain(f'{opened.name} has revision {opened.revision}; the copy is not built yet.',
                        1)
    finally:
        opened.close()
