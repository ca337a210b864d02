# SPDX-License-Identifier: Apache-2.0
"""Asks an API for everything that can be read over it: each list, and what is below its members.
`cinder-manage api` records the answers; api_differences.py compares them."""
import concurrent.futures
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib import parse

import urllib3

from cinder import exception

NEWEST = (3, 71)
SECONDS = 120
# Requests at the same time, few: each may be an expensive one.
THREADS = 4
_KEPT = re.compile(r'/v3(/[^/]+)?/?$')


class Read(NamedTuple):
    """A GET request, and those below it.

    :param path: below the endpoint; {0} is the first of the names that lead here, and so on
    :param key: of the members in the answer: a list of objects, or an object with their names
    :param name: of the field of a member that is its name
    :param members: requests for each member
    """

    path: str
    key: str = ''
    name: str = 'id'
    members: 'tuple[Read, ...]' = ()


_ALL = 'all_tenants=1'


def _pairs(path: str, key: str) -> Read:
    """Return the requests for a collection of keys and values."""
    return Read(path, key, '', (Read(f'{path}/{{1}}'),))


READS = (
    Read(f'volumes/detail?{_ALL}', 'volumes', 'id', (
        Read('volumes/{0}'), _pairs('volumes/{0}/metadata', 'metadata'),
        Read('volumes/{0}/encryption'))),
    Read(f'volumes?{_ALL}'), Read(f'volumes/summary?{_ALL}'),
    Read(f'snapshots/detail?{_ALL}', 'snapshots', 'id', (
        Read('snapshots/{0}'), _pairs('snapshots/{0}/metadata', 'metadata'))),
    Read(f'snapshots?{_ALL}'),
    # First, because the original writes the time of this request into the row.
    Read(f'backups?{_ALL}', 'backups', 'id', (Read('backups/{0}/export_record'),)),
    Read(f'backups/detail?{_ALL}', 'backups', 'id', (Read('backups/{0}'),)),
    Read(f'attachments/detail?{_ALL}', 'attachments', 'id', (Read('attachments/{0}'),)),
    Read(f'attachments?{_ALL}'),
    Read(f'groups/detail?{_ALL}&list_volume=true', 'groups', 'id', (
        Read('groups/{0}?list_volume=true'),)),
    Read(f'groups?{_ALL}'),
    Read(f'group_snapshots/detail?{_ALL}', 'group_snapshots', 'id', (
        Read('group_snapshots/{0}'),)),
    Read(f'group_snapshots?{_ALL}'),
    Read(f'volume-transfers/detail?{_ALL}', 'transfers', 'id', (Read('volume-transfers/{0}'),)),
    Read(f'volume-transfers?{_ALL}'), Read(f'os-volume-transfer/detail?{_ALL}'),
    Read('messages', 'messages', 'id', (Read('messages/{0}'),)),
    Read('types?is_public=None', 'volume_types', 'id', (
        Read('types/{0}'), _pairs('types/{0}/extra_specs', 'extra_specs'),
        Read('types/{0}/encryption'), Read('types/{0}/os-volume-type-access'))),
    Read('types/default'),
    Read('qos-specs', 'qos_specs', 'id', (
        Read('qos-specs/{0}'), Read('qos-specs/{0}/associations'))),
    Read('group_types?is_public=None', 'group_types', 'id', (
        Read('group_types/{0}'), _pairs('group_types/{0}/group_specs', 'group_specs'))),
    Read('group_types/default'),
    Read('default-types', 'default_types', 'project_id', (Read('default-types/{0}'),)),
    Read('os-quota-class-sets/default'),
    Read('clusters/detail', 'clusters', 'name', (Read('clusters/{0}?binary=cinder-volume'),)),
    Read('clusters'), Read('os-services'),
    Read('os-hosts', 'hosts', 'host_name', (Read('os-hosts/{0}'),)),
    Read('os-availability-zone'), Read('limits'),
    Read('scheduler-stats/get_pools?detail=true'), Read('scheduler-stats/get_pools'),
    Read('extensions', 'extensions', 'alias', (Read('extensions/{0}'),)),
    Read('resource_filters', 'resource_filters', 'resource', (
        Read('resource_filters?resource={0}'),)),
)
# Of each project that owns something.
PROJECT = (
    Read('os-quota-sets/{0}'), Read('os-quota-sets/{0}?usage=True'),
    Read('os-quota-sets/{0}/defaults'), Read(f'volumes?{_ALL}&project_id={{0}}'),
    Read(f'snapshots?{_ALL}&project_id={{0}}'), Read(f'backups?{_ALL}&project_id={{0}}'),
    Read(f'volumes/summary?{_ALL}&project_id={{0}}'))
_PROJECTS = frozenset(('project_id', 'tenant_id', 'os-vol-tenant-attr:tenant_id',
                       'os-extended-snapshot-attributes:project_id', 'os-backup-project-attr:'
                       'project_id'))


class Answer(NamedTuple):
    """The answer to a GET: its status and its JSON, or its text."""

    status: int
    body: Any


class Api:
    """An API.

    :param endpoint: its URL as in the catalog of Keystone, http://HOST:8776/v3/PROJECT or without
        project
    :param token: of an administrator
    :param microversion: to ask for; None: the newest that the API and this program know
    :raises Invalid: the endpoint is no such URL, or does not answer
    """

    def __init__(self, endpoint: str, token: str, microversion: str | None = None) -> None:
        if not _KEPT.search(endpoint) or not endpoint.startswith(('http://', 'https://')):
            raise exception.InvalidInput(
                reason=f'the endpoint {endpoint} is not a URL such as http://HOST:8776/v3/PROJECT')
        self.endpoint, self._headers = endpoint.rstrip('/'), {'X-Auth-Token': token}
        self._pool = urllib3.PoolManager(
            maxsize=THREADS, ca_certs=os.environ.get('OS_CACERT'), retries=False,
            timeout=urllib3.Timeout(SECONDS))
        self.microversion = microversion or self._newest()
        self._headers['OpenStack-API-Version'] = f'volume {self.microversion}'

    def _newest(self) -> str:
        """Return the newest microversion that both sides know."""
        found = self._send(self.endpoint.partition('/v3')[0] + '/')
        for each in found.body.get('versions', ()) if isinstance(found.body, dict) else ():
            if each.get('id') == 'v3.0' and re.fullmatch(r'3\.\d+', each.get('version') or ''):
                theirs = tuple(map(int, each['version'].split('.')))
                return '.'.join(map(str, min(theirs, NEWEST)))
        raise exception.InvalidInput(
            reason=f'{self.endpoint} does not answer with its versions (status {found.status})')

    def get(self, path: str) -> Answer:
        """Ask for a path; all pages of a list are one answer."""
        found = page = self._send(f'{self.endpoint}/{path}')
        place = path.partition('?')[0]
        while following := _next(page):
            # Not the address in the link, which may be that behind a proxy.
            page = self._send(f'{self.endpoint}/{place}?{parse.urlsplit(following).query}')
            for key, rows in (page.body.items() if page.status == 200 else ()):
                if isinstance(rows, list) and not key.endswith('_links'):
                    found.body[key] += rows
        if isinstance(found.body, dict):
            for key in [key for key in found.body if key.endswith('_links')]:
                del found.body[key]
        return found

    def _send(self, url: str) -> Answer:
        try:
            found = self._pool.request('GET', url, headers=self._headers, redirect=False)
        except urllib3.exceptions.HTTPError as exc:
            raise exception.InvalidInput(reason=f'{url} does not answer: {exc}') from exc
        if found.status == 401:
            raise exception.InvalidInput(reason=f'{url} does not accept the token in OS_TOKEN')
        try:
            return Answer(found.status, json.loads(found.data))
        except ValueError:
            return Answer(found.status, found.data.decode(errors='replace'))


def _next(page: Answer) -> str | None:
    if page.status != 200 or not isinstance(page.body, dict):
        return None
    return next((link['href'] for key, links in page.body.items() if key.endswith('_links')
                 for link in links if link.get('rel') == 'next'), None)


# --------------------------------------------------------------------------------------- the walk
def walk(api: Api, lists_only: bool = False) -> Iterator[tuple[str, Answer]]:
    """Yield (path, answer) of all that can be read, lists before their members.

    :param lists_only: not each member on its own, where there are very many
    """
    projects: set[str] = set()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for path, answer in _walk(api, pool, READS, ((),), lists_only):
            projects |= _projects(answer.body)
            yield path, answer
        names = [(name,) for name in sorted(projects)]
        yield from _walk(api, pool, PROJECT, names, lists_only)


def _walk(api: Api, pool: concurrent.futures.Executor, reads: tuple[Read, ...],
          names: Any, lists_only: bool) -> Iterator[tuple[str, Answer]]:
    for read in reads:
        places = [(place, read.path.format(*(parse.quote(name, safe='') for name in place)))
                  for place in names]
        answers = pool.map(lambda place: api.get(place[1]), places)
        for (place, path), answer in zip(places, answers, strict=True):
            yield path, answer
            if read.members and not (lists_only and read.name == 'id'):
                below = [(*place, name) for name in _names(read, answer)]
                yield from _walk(api, pool, read.members, below, lists_only)


def _names(read: Read, answer: Answer) -> list[str]:
    found = answer.body.get(read.key) if isinstance(answer.body, dict) else None
    if isinstance(found, Mapping):
        return sorted(found)
    return list(dict.fromkeys(str(row[read.name]) for row in found or () if read.name in row))


def _projects(body: Any) -> set[str]:
    """Return the ids of projects in an answer, at any depth."""
    if isinstance(body, list):
        return set().union(*map(_projects, body)) if body else set()
    if not isinstance(body, dict):
        return set()
    found = {value for key, value in body.items()
             if key in _PROJECTS and isinstance(value, str) and value}
    return found.union(*map(_projects, body.values()))
