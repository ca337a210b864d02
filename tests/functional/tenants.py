# SPDX-License-Identifier: Apache-2.0
"""Three projects with one of everything each, whoever may ask for it, and what the policy says that
they are answered.

The pipeline is Keystone's without the filter that asks Keystone: callers say what it would say.
"""
import io
import itertools
import json
import pathlib
import re
import uuid
from typing import Any, NamedTuple

import sqlalchemy as sa
from paste import deploy

from cinder import exception, metrics, policies, policy
from cinder.api.dashboard import data
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import events as events_db
from cinder.db import messages as messages_db
from cinder.db import models
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.policies.base import ADMIN as FOR_ADMINS
from cinder.policies.base import MEMBER, READER
from cinder.volume.api import zones
from tests.api import verbs
from tests.database import Database
from tests.fakes import daemons
from tests.functional.asks import OWNED, Ask

PASTE = pathlib.Path(__file__).parents[2] / 'etc/cinder/api-paste.ini'
OURS, THEIRS, THIRD = PROJECTS = tuple('0' * 31 + letter for letter in 'abc')
# Groups of the options that switch on the paths next to /v3.
PAGES = ('dashboard', 'metrics')
# Stands in every text of what a project has, and nowhere else.
MARK = 'secret-of-'
# Asked for a field, a parameter or a kind of thing, not for the operation itself.
CONDITIONAL = frozenset((
    'volume:create_from_image', 'volume:multiattach', 'volume:force_delete',
    'volume:extend_attached_volume', 'volume:reimage_reserved',
    'volume:multiattach_bootable_volume', 'volume_extension:volume_actions:upload_public',
    'volume_extension:volume_tenant_attribute', 'volume_extension:volume_mig_status_attribute',
    'volume:attachment_secrets', 'volume_extension:volume_host_attribute',
    'volume_extension:volume_image_metadata:show',
    'volume_extension:extended_snapshot_attributes', 'volume_extension:volume_type_access',
    'volume_extension:access_types_extra_specs', 'volume_extension:access_types_qos_specs_id',
    'volume_extension:types_extra_specs:read_sensitive', 'backup:backup_project_attribute',
    'group:group_project_attribute', 'group:group_snapshot_project_attribute',
    'group:access_group_types_specs', 'limits_extension:used_limits',
    'message:operator_detail', 'events:see_internal', 'operations:host_attribute',
    'operations:cancel_administrative', 'trash:host_attribute',
    'scheduler_extension:scheduler_stats:what_if_create'))
_DEFAULTS = {rule.name: rule.check_str for rule in policies.list_rules()}
_NEEDS = {FOR_ADMINS: 'admin', MEMBER: 'member', READER: 'reader'}


class Persona(NamedTuple):
    """Somebody with a token; without roles and project somebody without.

    :ivar project: of the token; None for a token of the whole system.
    """

    name: str
    roles: tuple[str, ...] | None
    project: str | None
    service: bool = False

    @property
    def is_admin(self) -> bool:
        return 'admin' in (self.roles or ())

    def passes(self, ask: Ask, project: str | None) -> bool:
        """Whether the table lets him do it to a thing of a project."""
        for rule in set(ask.each.rules) - CONDITIONAL:
            role = _NEEDS[_DEFAULTS[rule]]
            if self.project is None or not (
                    self.is_admin or (role in self.roles and project == self.project)):
                return False
        return True


_READER, _MEMBER, _ADMIN = ('reader',), ('member', 'reader'), ('admin', 'member', 'reader')
PERSONAS = (
    Persona('nobody', None, None), Persona('roleless', (), OURS),
    Persona('reader', _READER, OURS), Persona('member', _MEMBER, OURS),
    Persona('admin', _ADMIN, OURS), Persona('service', ('service',), OURS, service=True),
    *(Persona(f'{prefix} {role}', roles, project)
      for prefix, project in (('their', THEIRS), ('third', THIRD))
      for role, roles in (('reader', _READER), ('member', _MEMBER), ('admin', _ADMIN))),
    Persona('system reader', _READER, None), Persona('system admin', _ADMIN, None))


class Answer(NamedTuple):
    """What came back, and the statements it took."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sql: tuple[str, ...]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Sends requests of one persona into the pipeline."""

    def __init__(self, world: 'World', persona: Persona) -> None:
        self.world, self.persona = world, persona
        self.project = persona.project

    def request(self, method: str, path: str, body: Any = None, mv: str = '3.71',
                **headers: str) -> Answer:
        """`path` begins behind /v3; without the project id. `headers` are keys of the
        environment."""
        return self.world.send(self.environ(method, path, body, mv) | self._identity() | headers)

    def beside(self, path: str) -> Answer:
        """GET of a path next to /v3."""
        where, _mark, query = path.partition('?')
        return self.world.send(self.environ('GET', '') | self._identity()
                               | {'PATH_INFO': where, 'QUERY_STRING': query})

    def environ(self, method: str, path: str, body: Any = None, mv: str = '3.71',
                ) -> dict[str, Any]:
        """A request without identity."""
        raw = b'' if body is None else json.dumps(body).encode()
        where, _mark, query = path.partition('?')
        environ = {
            'REQUEST_METHOD': method, 'SCRIPT_NAME': '', 'PATH_INFO': f'/v3{where}',
            'QUERY_STRING': query, 'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
            'SERVER_PROTOCOL': 'HTTP/1.1', 'HTTP_HOST': 'localhost', 'wsgi.version': (1, 0),
            'wsgi.url_scheme': 'http', 'wsgi.input': io.BytesIO(raw), 'wsgi.errors': io.StringIO(),
            'wsgi.multithread': False, 'wsgi.multiprocess': False, 'wsgi.run_once': False,
            'HTTP_OPENSTACK_API_VERSION': f'volume {mv}', 'REMOTE_ADDR': '127.0.0.1'}
        if raw:
            environ |= {'CONTENT_TYPE': 'application/json', 'CONTENT_LENGTH': str(len(raw))}
        return environ

    def post(self, path: str, body: Any, mv: str = '3.71') -> Answer:
        return self.request('POST', path, body, mv)

    def _identity(self) -> dict[str, str]:
        """The headers that keystonemiddleware sets."""
        roles, project = self.persona.roles, self.persona.project
        if roles is None:
            return {}
        made = {'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': 'u' * 32,
                'HTTP_X_ROLES': ','.join(roles), 'HTTP_X_AUTH_TOKEN': 'token'}
        if project is None:
            made['HTTP_OPENSTACK_SYSTEM_SCOPE'] = 'all'
        else:
            made |= {'HTTP_X_PROJECT_ID': project, 'HTTP_X_PROJECT_DOMAIN_ID': 'default'}
        return made | ({'HTTP_X_SERVICE_ROLES': 'service'} if self.persona.service else {})


class Asleep(daemons.Daemons):
    """Daemons that do nothing once the world is made.

    :ivar silent: they do not tell what they would have to look up; else it is nothing.
    """

    silent = True

    def call(self, ctxt, method: str, **arguments: object) -> object:
        known = getattr(self, method, None)
        if known is not None:
            return known(ctxt, **arguments)
        if self.silent:
            raise exception.ServiceUnavailable()
        if method == 'what_if':
            return {'accepted': False, 'choice': None, 'reason': 'nothing is known',
                    'ignored_hints': [], 'pools': []}
        return {} if method in ('get_capabilities', 'get_log_levels') else []


class World:
    """The pipeline over a database with the things of two projects.

    :param database: that of tests/conftest.py, with the rows that each test finds.
    :param authtoken: keep the filter that asks Keystone; the world is made through another
        pipeline without it.
    :ivar ids: name -> id, by project; what is nobody's is in both.
    """

    def __init__(self, database: Database, folder: pathlib.Path, monkeypatch,
                 authtoken: bool = False) -> None:
        self._database, engines = database, database.engines
        self._engines = engines
        paste = folder / 'paste.ini'
        paste.write_text(PASTE.read_text().replace(' authtoken ', ' '))
        CONF.set_default('auth_strategy', 'keystone')
        # Their services report once, at the beginning.
        CONF.set_default('service_down_time', 86400)
        for group in PAGES:
            CONF.set_default('enabled', True, group)
        data.cached.clear()
        (folder / 'metrics').mkdir()
        metrics.start(str(folder / 'metrics'))
        policy.reset()
        self._application = deploy.loadapp(f'config:{paste}', name='osapi_volume')
        monkeypatch.setattr(zones, '_cache', (0.0, {}))
        self.daemons = Asleep().install(monkeypatch)
        self._sql: list[str] = []
        for engine in {engines.reader, engines.writer}:
            sa.event.listen(engine, 'before_cursor_execute', self._note)
        self.callers = {persona.name: Caller(self, persona) for persona in PERSONAS}
        self.ids = self._populate()
        self._mark()
        for project in PROJECTS:
            attachments_db.update(verbs.ADMIN, self.ids[project]['holding'], {'connection_info': {
                'driver_volume_type': 'iscsi', 'auth_method': 'CHAP', 'auth_username': 'u',
                'auth_password': f'planted-secret-chap-{MARK}{project}'}})
        for service in services_db.list_all(verbs.ADMIN):
            services_db.heartbeat(verbs.ADMIN, service.id)
        self.nothing = {name: str(uuid.UUID(int=number + 2 ** 100, version=4))
                        for number, name in enumerate(self.ids[OURS])}
        self.daemons.busy = True
        # The first reader assigns positions to the events of all projects.
        events_db.advance(verbs.ADMIN)
        self._rows = database.rows()
        if authtoken:
            self._application = deploy.loadapp(f'config:{PASTE}', name='osapi_volume')

    def close(self) -> None:
        for engine in {self._engines.reader, self._engines.writer}:
            sa.event.remove(engine, 'before_cursor_execute', self._note)
        CONF.clear_default('auth_strategy')
        CONF.clear_default('service_down_time')
        for group in PAGES:
            CONF.clear_default('enabled', group)
        metrics.stop()
        policy.reset()

    def belongings(self, project: str) -> dict[str, str]:
        """The ids of what is a project's own."""
        others = [self.ids[each] for each in PROJECTS if each != project]
        return {name: ident for name, ident in self.ids[project].items()
                if all(ident != other[name] for other in others)}

    def restore(self) -> None:
        """Undo what requests have changed."""
        self._database.restore(self._rows)

    def _note(self, _conn, _cursor, statement: str, *_more: object) -> None:
        self._sql.append(statement)

    def send(self, environ: dict[str, Any]) -> Answer:
        self._sql.clear()
        told: list[Any] = []
        parts = self._application(environ, lambda *answer: told.append(answer))
        try:
            body = b''.join(parts)
        finally:
            # As a server does.
            getattr(parts, 'close', lambda: None)()
        status, headers = told[-1][:2]
        return Answer(int(status[:3]), tuple(headers), body, tuple(self._sql))

    def ask(self, persona: Persona, ask: Ask, whose: str | None, mv: str = '3.71',
            **headers: str) -> Answer:
        """Send a request about a thing of a project; None asks for what nobody has."""
        own = self.ids[persona.project or OURS]
        there = self.nothing if whose is None else self.ids[whose]

        def fill(match: re.Match) -> str:
            return there[match[1]] if match[1] else own[match[2]]
        path, body = json.loads(re.sub('<([a-z_]+)>|{([a-z_]+)}', fill,
                                       json.dumps([ask.path, ask.body])))
        return self.callers[persona.name].request(
            ask.each.method, path, body, mv, **headers)

    # ------------------------------------------------------------------------------- things
    def _populate(self) -> dict[str, dict[str, str]]:
        admins = {caller.project: caller for name, caller in self.callers.items()
                  if name.endswith('admin') and caller.project}
        site = verbs.everybodys(admins[OURS])
        made = {}
        for project, admin in admins.items():
            private = types_db.create(verbs.ADMIN, {'name': f'{MARK}{project}',
                                                    'is_public': False}, projects=[project]).id
            message = messages_db.create(verbs.ADMIN, {
                'project_id': project, 'event_id': 'VOLUME_VOLUME_001_001', 'action_id': '001',
                'detail_id': '001', 'request_id': f'req-{MARK}{project}',
                'resource_type': 'VOLUME', 'message_level': 'ERROR'})['id']
            belongings = verbs.belongings(admin, site)
            operation = operations_db.create(
                verbs.ADMIN, 'snapshot.create',
                snapshots_db.get(verbs.ADMIN, belongings['snapshot'])).id
            snapshots_db.overwrite(verbs.ADMIN, belongings['snapshot'], {'status': 'available'})
            made[project] = {**site, **belongings, 'private': private, 'message': message,
                             'operation': operation}
        return made

    def _mark(self) -> None:
        """Write MARK and the project into each text that users choose."""
        with self._engines.writer.begin() as conn:
            for table in models.metadata.tables.values():
                for column in ('display_name', 'display_description', 'name', 'description'):
                    owner = table.c.get('project_id', table.c.get('source_project_id'))
                    if owner is not None and column in table.c:
                        conn.execute(table.update().values({column: MARK + owner}).where(
                            owner.is_not(None)))
            volumes = models.metadata.tables['volumes']
            for project in PROJECTS:
                ids = list(conn.execute(sa.select(volumes.c.id).where(
                    volumes.c.project_id == project)).scalars())
                conn.execute(models.metadata.tables['volume_metadata'].insert(), [
                    {'volume_id': ident, 'key': key, 'value': MARK + project}
                    for ident, key in itertools.product(ids, ('k', 'other'))])
                conn.execute(models.metadata.tables['snapshot_metadata'].insert(), [
                    {'snapshot_id': self.ids[project]['snapshot'], 'key': 'k',
                     'value': MARK + project}])


def expected(persona: Persona, ask: Ask, whose: str | None) -> set[int] | None:
    """The statuses that are right, from the policy table; None is anything but a refusal.

    :param whose: project of the thing that is asked about; None where nobody has it.
    """
    if persona.roles is None:
        return {401}
    about = set(re.findall('<[a-z_]+>', json.dumps([ask.path, ask.body])))
    owned = bool(about & OWNED)
    if not owned:
        # A project id itself is no thing that could be there or not.
        target = whose if '<project>' in about else persona.project
        return None if persona.passes(ask, target) else {403}
    seen = whose is not None and (persona.is_admin or whose == persona.project)
    if not seen:
        may = persona.passes(ask, persona.project)
        return {403} if ask.first and not may else {ask.hides}
    return None if persona.passes(ask, whose) else {403}


def applies(persona: Persona, ask: Ask) -> bool:
    """Whether he has what the request needs of his own; tokens of the system have nothing."""
    own = set(re.findall('{([a-z_]+)}', json.dumps([ask.path, ask.body])))
    return persona.project is not None or not {f'<{name}>' for name in own} & OWNED


def comparable(answer: Answer, idents: dict[str, str]) -> tuple:
    """What an answer says, without the ids of the request and of the things asked about."""
    text = answer.body.decode('utf-8', 'replace')
    for name, ident in idents.items():
        text = text.replace(ident, f'<{name}>')
    headers = sorted((name.lower(), value) for name, value in answer.headers
                     if name.lower() not in ('x-openstack-request-id', 'x-compute-request-id'))
    return answer.status, headers, text


def kinds(answer: Answer) -> list[str]:
    """SELECT, UPDATE and so on, in the order of the statements."""
    return [statement.split(None, 1)[0].upper() for statement in answer.sql]


