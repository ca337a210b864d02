# SPDX-License-Identifier: Apache-2.0
"""The reference of the benchmark: the least that can answer the same bytes. Eventlet's WSGI server,
WebOb, and the two SELECTs by SQLAlchemy Core; no routes, no policy, no versions, no validation.

/built/... makes the answer from the rows with the json module, as any program has to; /canned/...
reads the same rows and then sends bytes it was given, which is the floor under all.
"""

import eventlet

eventlet.monkey_patch()

# What follows must see the patched modules.
import json  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402

import eventlet.wsgi  # noqa: E402
import sqlalchemy as sa  # noqa: E402
import webob.dec  # noqa: E402


class Application:
    """Answers /MODE/show/ID and /MODE/detail/LIMIT.

    :param engine: database of the suite
    :param project: whose volumes
    :param base: start of the links, 'http://HOST:PORT'
    :param canned: folder of the bytes to send, by kind and argument
    """

    def __init__(self, engine: sa.Engine, project: str, base: str, canned: pathlib.Path):
        self._engine = engine.execution_options(isolation_level='AUTOCOMMIT')
        tables = sa.MetaData()
        tables.reflect(engine, only=['volumes', 'volume_metadata', 'volume_types'])
        self._volumes = tables.tables['volumes']
        self._metadata = tables.tables['volume_metadata']
        types = tables.tables['volume_types']
        self._select = sa.select(self._volumes, types.c.name.label('type_name')).join(
            types, types.c.id == self._volumes.c.volume_type_id, isouter=True)
        self._project, self._base, self._canned = project, base, canned

    @webob.dec.wsgify
    def __call__(self, request: webob.Request) -> webob.Response:
        _, mode, kind, argument = request.path.split('/')
        volumes = self._volumes.c
        if kind == 'show':
            query = self._select.where(volumes.id == argument, volumes.deleted == sa.false())
        else:
            query = self._select.where(
                volumes.project_id == self._project, volumes.deleted == sa.false()).order_by(
                    volumes.created_at.desc(), volumes.id.desc()).limit(int(argument))
        with self._engine.connect() as conn:
            rows = conn.execute(query).all()
            metadata = self._read_metadata(conn, [row.id for row in rows])
        if mode == 'canned':
            body = (self._canned / kind / argument).read_bytes()
        else:
            shown = [self._show(row, metadata.get(row.id, {})) for row in rows]
            body = json.dumps(self._document(kind, shown)).encode()
        return webob.Response(body=body, content_type='application/json')

    def _read_metadata(self, conn: sa.Connection, ids: list[str]) -> dict[str, dict[str, str]]:
        table = self._metadata.c
        found: dict[str, dict[str, str]] = {}
        for volume_id, key, value in conn.execute(
                sa.select(table.volume_id, table.key, table.value).where(
                    table.volume_id.in_(ids))):
            found.setdefault(volume_id, {})[key] = value
        return found

    def _document(self, kind: str, shown: list[dict]) -> dict:
        if kind == 'show':
            return {'volume': shown[0]}
        href = (f'{self._base}/v3/{self._project}/volumes/detail?limit={len(shown)}'
                f'&marker={shown[-1]["id"]}')
        return {'volumes': shown, 'volumes_links': [{'rel': 'next', 'href': href}]}

    def _show(self, row: sa.Row, metadata: dict[str, str]) -> dict:
        """What microversion 3.71 shows an administrator of a volume that was never attached."""
        project, base = self._project, self._base
        return {
            'id': row.id, 'status': row.status, 'size': row.size,
            'availability_zone': row.availability_zone,
            'created_at': row.created_at.isoformat(),
            'updated_at': row.updated_at.isoformat() if row.updated_at else None,
            'name': row.display_name, 'description': row.display_description,
            'volume_type': row.type_name, 'snapshot_id': row.snapshot_id,
            'source_volid': row.source_volid, 'metadata': metadata,
            'links': [{'rel': 'self', 'href': f'{base}/v3/{project}/volumes/{row.id}'},
                      {'rel': 'bookmark', 'href': f'{base}/{project}/volumes/{row.id}'}],
            'user_id': row.user_id, 'bootable': 'true' if row.bootable else 'false',
            'encrypted': row.encryption_key_id is not None,
            'replication_status': row.replication_status, 'consistencygroup_id': None,
            'multiattach': row.multiattach, 'attachments': [],
            'migration_status': row.migration_status, 'group_id': row.group_id,
            'provider_id': row.provider_id, 'shared_targets': row.shared_targets,
            'service_uuid': row.service_uuid, 'cluster_name': row.cluster_name,
            'volume_type_id': row.volume_type_id, 'consumes_quota': row.use_quota,
            'os-vol-tenant-attr:tenant_id': row.project_id,
            'os-vol-mig-status-attr:migstat': row.migration_status,
            'os-vol-mig-status-attr:name_id': row.name_id,
            'os-vol-host-attr:host': row.host,
        }


def main() -> None:
    """Serve: DATABASE_URL PORT PROJECT BASE CANNED_FOLDER."""
    url, port, project, base, canned = sys.argv[1:]
    application = Application(sa.create_engine(url), project, base, pathlib.Path(canned))
    eventlet.wsgi.server(eventlet.listen(('127.0.0.1', int(port))), application, log_output=False,
                         keepalive=True)


if __name__ == '__main__':
    main()
