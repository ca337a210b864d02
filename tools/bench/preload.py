# SPDX-License-Identifier: Apache-2.0
"""Fills the tables with volumes that the service could have made, much faster than it could."""

import datetime
import uuid

import sqlalchemy as sa

CHUNK = 2000
SIZE_GIB = 1


def fill(url: str, project: str, host: str, number: int, metadata_items: int = 2) -> None:
    """Insert available volumes, one second of age apart, with their metadata.

    :param host: where they are, as 'host@backend#pool'
    """
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    tables.reflect(engine, only=['volumes', 'volume_metadata', 'volume_types'])
    volumes, metadata = tables.tables['volumes'], tables.tables['volume_metadata']
    types = tables.tables['volume_types']
    began = datetime.datetime(2024, 1, 1)
    with engine.begin() as conn:
        type_id = conn.execute(sa.select(types.c.id).limit(1)).scalar()
        for start in range(0, number, CHUNK):
            rows = [_row(project, host, type_id, began + datetime.timedelta(seconds=index), index)
                    for index in range(start, min(start + CHUNK, number))]
            conn.execute(volumes.insert(), rows)
            conn.execute(metadata.insert(), [
                {'volume_id': row['id'], 'key': f'key{item}', 'value': f'value of {item}',
                 'created_at': row['created_at']}
                for row in rows for item in range(metadata_items)])
    # Fresh statistics, as a server has them that was not filled a second ago.
    with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as conn:
        command = 'ANALYZE TABLE' if engine.dialect.name in ('mysql', 'mariadb') else 'ANALYZE'
        for table in (volumes, metadata):
            conn.exec_driver_sql(f'{command} {table.name}')
    engine.dispose()


def _row(project: str, host: str, type_id: str, moment: datetime.datetime, index: int) -> dict:
    return {
        'id': str(uuid.uuid4()), 'project_id': project, 'user_id': 'bench', 'deleted': False,
        'display_name': f'volume {index}', 'display_description': None, 'size': SIZE_GIB,
        'status': 'available', 'attach_status': 'detached', 'availability_zone': 'nova',
        'host': host, 'volume_type_id': type_id, 'created_at': moment, 'updated_at': moment,
        'launched_at': moment, 'scheduled_at': moment, 'bootable': False, 'multiattach': False,
        'shared_targets': False, 'use_quota': True, 'growth': 0,
    }
