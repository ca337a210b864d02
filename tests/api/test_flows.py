# SPDX-License-Identifier: Apache-2.0
"""doc/source/flows.rst says what is called: each request is sent, from the API to the command line,
and the functions that it enters are compared with the page."""
import csv
import pathlib
import re
import sys
import threading

import pytest

from tests.api.client import PROJECT
from tests.fakes import daemons
from tests.fakes.deployment import HOST, Deployment

ROOT = pathlib.Path(__file__).parents[2]
MOST_FILES = 6
CONNECTOR = {'initiator': 'iqn.1994-05.com.example:host', 'ip': '127.0.0.1', 'host': 'host'}
PAGE = (ROOT / 'doc/source/flows.rst').read_text()


def sections():
    """Title -> [(file, function)] of all tables of the section."""
    found = re.split(r'^(.+)\n-{4,}\n', PAGE, flags=re.MULTILINE)
    return {title: [(file.strip('`'), function.strip('`')) for file, function, _what in csv.reader(
        re.findall(r'^   (".*)', body, re.MULTILINE), skipinitialspace=True)]
        for title, body in zip(found[1::2], found[2::2], strict=True)}


STEPS = sections()


class Calls:
    """What is entered below cinder/, in every thread that begins in the block: (file, function)."""

    def __init__(self):
        self.entered = []

    def __enter__(self):
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_exc):
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame, event, _argument):
        if event == 'call' and (place := place_of(frame)):
            self.entered.append(place)


def place_of(frame):
    """(file below cinder/, function) of a frame; None for one of a library."""
    code = frame.f_code
    folder, _slash, path = code.co_filename.partition(f'{ROOT}/cinder/')
    return None if folder or not path else (path, code.co_qualname)


def first_missing(steps, entered):
    """The first step that was not entered after those before it, None for none."""
    left = iter(entered)
    return next((step for step in steps if step not in left), None)


@pytest.fixture
def deployment(api, monkeypatch, tmp_path):
    made = Deployment(monkeypatch, tmp_path)
    yield made
    made.close()


def test_list(api):
    daemons.volume(PROJECT)
    with Calls() as calls:
        answer = api.get('/volumes/detail')
    assert len(answer.json['volumes']) == 1
    assert first_missing(STEPS['List volumes'], calls.entered) is None


def test_create(api, deployment):
    with Calls() as calls:
        answer = api.post('/volumes', {'volume': {'size': 1}})
        deployment.deliver()
    shown = api.get(f'/volumes/{answer.json["volume"]["id"]}').json['volume']
    assert (answer.status, shown['status']) == (202, 'available')
    assert first_missing(STEPS['Create a volume'], calls.entered) is None


def test_attach(api, deployment, placed):
    with Calls() as calls:
        made = api.post('/attachments', {'attachment': {
            'volume_uuid': placed, 'instance_uuid': placed, 'connector': CONNECTOR}})
        done = api.post(f'/attachments/{made.json["attachment"]["id"]}/action', {'os-complete': {}})
    assert (made.status, done.status) == (200, 204)
    assert api.get(f'/volumes/{placed}').json['volume']['status'] == 'in-use'
    assert first_missing(STEPS['Attach a volume'], calls.entered) is None


@pytest.fixture
def placed(deployment):
    """Id of an available volume that the volume group has."""
    made = daemons.volume(PROJECT, host=f'{HOST}#lvm')
    deployment.group('lvcreate', '-T', '-V', f'{2 ** 30}b', '-n', f'volume-{made["id"]}',
                     'vg/vg-pool')
    return made['id']


def test_files_between_a_message_and_lvcreate(api, deployment, placed):
    stacks = []

    def look(words):
        if words[0] == 'lvcreate':
            stacks.append(list(stack()))

    deployment.on_command = look
    api.post('/snapshots', {'snapshot': {'volume_id': placed}})
    deployment.deliver()
    found, = stacks
    begin = found.index(('operations/runner.py', 'OperationRunner._execute'))
    files = list(dict.fromkeys(file for file, _function in found[begin:]))
    steps = STEPS['From a message to lvcreate']
    assert first_missing(steps, found) is None
    assert [file for file, _function in steps] == files
    assert files == [in_readme('queue')[0], *in_readme('work')]
    assert len(files) <= MOST_FILES


def stack():
    """The functions of cinder/ that this thread is in, the outermost first."""
    frame, found = sys._getframe(), []
    while frame:
        found.append(place_of(frame))
        frame = frame.f_back
    return filter(None, reversed(found))


def in_readme(row):
    """The files of a row of README's flow, each the first between two arrows."""
    text = re.search(rf'^    {row} +(.*(?:\n     +.*)*)', (ROOT / 'README.rst').read_text(),
                     re.MULTILINE)[1]
    return [re.search(r'[\w/]+\.py', part)[0] for part in text.split('->')]


@pytest.mark.parametrize(('row', 'title'), [('read', 'List volumes'), ('write', 'Create a volume')])
def test_readme_names_files_of_the_flow(row, title):
    section = PAGE.partition(f'{title}\n---')[2].partition('\n---')[0]
    files = [file.replace('/snapshots', '/volumes') for file in in_readme(row)]
    assert [file for file in files if f'``{file}``' not in section] == []
