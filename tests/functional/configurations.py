# SPDX-License-Identifier: Apache-2.0
"""Wrong values for every option, and a process that tries many: each in a forked child, which goes
through what cinder-all does before its launch, and asks its API for something when it would serve.

Run it as a program: `python -m tests.functional.configurations FOLDER FIRST STEP SEED` tries every
STEPth of the chosen cases from FIRST on and prints the faults as JSON lines, then their number.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = '0123456789abcdef0123456789abcdef'
# The section whose options of a login are tried with all kinds of values.
LOGIN = 'service_user'
# A start takes two; the rest is for machines that have more to do.
SECONDS = 20
# So many cases are chosen; CONFIGURATION_FULL=yes tries all.
CHOSEN = 2000
# What stands in place of a value, by what the option is.
NUMBERS = {'Integer': 'many', 'Float': 'much', 'Port': 'the usual one', 'Boolean': 'perhaps'}
VALUES = {'empty': '', 'unknown': 'no_such_name', 'huge': '9' * 19, 'dollar': 'a$no_such_option'}
GARBAGE = 'b@d/:[%zz {0} %(no)s "'
REQUESTS = (('GET', ''), ('GET', '/v3/{project}/volumes/detail'), ('GET', '/v3/{project}/types'),
            ('POST', '/v3/{project}/volumes'), ('GET', '/v3/{project}/os-services'),
            ('GET', '/v3/{project}/limits'), ('GET', '/v3/{project}/volumes?limit=1&sort=name'))


class Case(NamedTuple):
    """One option with one value."""

    section: str
    name: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f'[{self.section}] {self.name} = {self.value}'


def cases(seed: int = 0) -> list[Case]:
    """Every option of ours and of the libraries with each kind of value. Those of a back end, and
    of a login at Keystone, are in several sections: all kinds in one, and one kind in each other.

    :param seed: chooses the kinds
    """
    from cinder.conf import backend, library
    chance, logins = random.Random(seed), set(library.names(LOGIN))
    found = []
    for section, name, type_name in _options():
        values = {**VALUES, 'garbage': NUMBERS.get(type_name, GARBAGE)}
        again = section == backend.GROUP or (
            name in logins and section in library.sections() and section != LOGIN)
        found += [Case(section, name, kind, values[kind])
                  for kind in ([chance.choice(list(values))] if again else values)]
    return found


def chosen(seed: int) -> list[Case]:
    """The cases that are tried: all of an option, or none."""
    everything = cases(seed)
    if 'CONFIGURATION_FULL' in os.environ:
        return everything
    places = list(dict.fromkeys((case.section, case.name) for case in everything))
    random.Random(seed).shuffle(places)
    by_place: dict[tuple[str, str], list[Case]] = {}
    for case in everything:
        by_place.setdefault((case.section, case.name), []).append(case)
    found: list[Case] = []
    for place in places:
        if len(found) < CHOSEN:
            found += by_place[place]
    return found


def _options() -> Iterator[tuple[str, str, str]]:
    """Section, name and type of each option; those of back ends in the section of one, too."""
    from cinder.conf import backend, library, options
    for group, opts in options.BY_GROUP.items():
        for opt in opts:
            for section in (group, 'files') if group == backend.GROUP else (group,):
                yield section, opt.dest, type(opt.type).__name__
    for section in ('DEFAULT', *library.sections()):
        for name in library.names(section):
            kind = library.find(section, name).type
            yield section, name, type(kind).__name__


def configuration(folder: pathlib.Path, case: Case | None = None,
                  **default: object) -> dict[str, dict[str, object]]:
    """A service on one machine that serves, but for the option of the case."""
    sections: dict[str, dict[str, object]] = {
        'DEFAULT': {
            'state_path': folder, 'auth_strategy': 'noauth', 'osapi_volume_listen': '127.0.0.1',
            'osapi_volume_listen_port': 0, 'osapi_volume_workers': 1, 'enabled_backends': 'files',
            'report_interval': 1, 'service_down_time': 5,
            'api_paste_config': ROOT / 'etc/cinder/api-paste.ini', **default},
        'database': {'connection': f'sqlite:///{folder}/cinder.sqlite'},
        'files': {'volume_driver': 'cinder.volume.drivers.file.FileVolumeDriver',
                  'target_helper': 'local'}}
    if case:
        sections.setdefault(case.section, {})[case.name] = case.value
    return sections


def write(path: pathlib.Path, sections: dict[str, dict[str, object]]) -> None:
    """Write a configuration file."""
    lines = []
    for section, values in sections.items():
        lines += [f'[{section}]', *(f'{name} = {value}' for name, value in values.items())]
    path.write_text('\n'.join(lines) + '\n')


def fault_of(program: str, text: str, status: int | None) -> str | None:
    """What is wrong with what a daemon printed and how it ended.

    :param status: None: it serves
    """
    if 'Traceback' in text:
        return 'a traceback'
    if status is None:
        return None
    last = [line for line in text.splitlines() if line.startswith(f'{program}: ')]
    if status != 1 or len(last) != 1:
        return f'status {status} and {len(last)} lines of {program}'
    return None


# ------------------------------------------------------------------------------- many in a process
def _ask(app) -> dict[str, int]:
    """Ask the API; returns request -> status where that is the server's fault."""
    import webob
    found = {}
    for method, path in REQUESTS:
        request = webob.Request.blank(path.format(project=PROJECT), method=method)
        if method == 'POST':
            request.json = {'volume': {'size': 1}}
        status = request.get_response(app).status_int
        if status >= 500 and status != 503:
            found[f'{method} {path}'] = status
    return found


def _child(folder: pathlib.Path, case: Case) -> None:
    """Be cinder-all up to its launch; never returns. Status 0: it would serve, 3: it answers
    with 500."""
    from cinder.cmd import all as cinder_all
    from cinder.cmd import common
    signal.alarm(SECONDS)
    os.chdir(folder)
    out = os.open('out', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    status = 0
    try:
        write(folder / 'cinder.conf', configuration(folder, case))
        sys.argv = ['cinder-all', '--config-file', str(folder / 'cinder.conf')]
        with common.errors_in_one_line():
            servers = cinder_all.prepare()
        wrong = _ask(servers[0].app)
        if wrong:
            print('answers:', wrong, flush=True)
            status = 3
    except SystemExit as exc:
        print(exc.code, file=sys.stderr, flush=True)
        status = 1
    except BaseException:
        traceback.print_exc()
        status = 4
    finally:
        os._exit(status)


def _try(folder: pathlib.Path, template: pathlib.Path, case: Case, waitpid) -> dict | None:
    """Try one case; returns what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(template, folder / 'cinder.sqlite')
    pid = os.fork()
    if not pid:
        _child(folder, case)
    status = os.waitstatus_to_exitcode(waitpid(pid, 0)[1])
    text = (folder / 'out').read_text(errors='replace') if (folder / 'out').exists() else ''
    fault = fault_of('cinder-all', text, None if status == 0 else status)
    if status == 3:
        fault = 'answers with 500'
    return {'case': str(case), 'fault': fault, 'text': text[-2000:]} if fault else None


def _prepare_parent() -> None:
    """Import, and work out, what is the same in each child."""
    import importlib
    for name in ('cinder.cmd.all', 'cinder.api.v3.router', 'cinder.scheduler.manager',
                 'cinder.service.wsgi_service', 'cinder.service.rpc_service',
                 'cinder.service.launchers',
                 'cinder.volume.manager', 'cinder.volume.drivers.file', 'tooz.coordination',
                 'tooz.drivers.file', 'oslo_messaging._drivers.impl_fake', 'webob',
                 'cinder.keymgr.keys', 'castellan.key_manager', 'castellan.common.utils'):
        importlib.import_module(name)
    from cinder import policies
    from cinder.db import migration
    policies.list_rules()
    head = migration.head()
    migration.head = lambda: head
    cases()


def main(folder: str, first: str, step: str, seed: str = '0') -> None:
    _prepare_parent()
    import eventlet.patcher
    waitpid = eventlet.patcher.original('os').waitpid
    place, number = pathlib.Path(folder), 0
    for case in chosen(int(seed))[int(first)::int(step)]:
        number += 1
        found = _try(place / f'case{first}', place / 'cinder.sqlite', case, waitpid)
        if found:
            print(json.dumps(found), flush=True)
    print(number)


if __name__ == '__main__':
    main(*sys.argv[1:])
