# SPDX-License-Identifier: Apache-2.0
"""Questions to the scheduler by the API and by command, on the shared daemons: the sessions of
doc/source/scheduling.rst, compared by their shape."""
import json
import pathlib
import re
import subprocess

from tests.functional.suite import script

PAGE = (pathlib.Path(__file__).parents[2] / 'doc/source/scheduling.rst').read_text()
ID = r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
REFUSED_SIZE = 77  # by the filter function of the suite


def blocks(kind=''):
    """The literal blocks of the page after a comment, without indentation."""
    return ['\n'.join(line[4:] for line in found[1].rstrip().split('\n')) for found in re.finditer(
        rf'^\.\. session{kind}\n\n::\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)]


def commands():
    """(words, output) of each command of the sessions."""
    for block in blocks():
        for command in re.split(r'^\$ ', block, flags=re.MULTILINE)[1:]:
            words, _newline, output = command.partition('\n')
            yield words.split(), output


def shape(text):
    """The lines of a text without what differs between two runs."""
    for pattern, word in ((ID, 'ID'), (r'\d{4}-\d\d-\d\dT[\d:.]+', 'TIME'),
                          (r'\d+(\.\d+)?', 'NUMBER'), (r' +', ' ')):
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.strip().split('\n')]


def keys(data):
    """The structure of JSON; of a list, that of its first item."""
    if isinstance(data, list):
        return [keys(data[0])] if data else []
    return {key: keys(value) for key, value in data.items()} if isinstance(data, dict) else None


def manage(suite, words):
    config = suite.directory / f'{suite.nodes[0].host}.conf'
    return subprocess.run([script(words[0]), '--config-file', config, *words[1:]], text=True,
                          env=suite.environment(), capture_output=True, check=False)


def test_sessions_of_the_page(suite, client):
    question, = blocks(': request')
    told = client.post('scheduler-stats/what-if', json.loads(question))
    answer, = blocks(': answer')
    assert keys(told) == keys(json.loads(answer))
    assert client.get('volumes')['volumes'] == []
    refused = client.post('volumes', {'volume': {'size': REFUSED_SIZE}}, expect=202)['volume']['id']
    placed = client.ready_volume()['id']
    client.wait_for_status('volume', refused, 'error')
    shown = list(commands())
    ids = dict.fromkeys(re.findall(ID, ' '.join(word for words, _output in shown
                                                for word in words)))
    ids = dict(zip(ids, (refused, placed), strict=True))
    for words, output in shown:
        done = manage(suite, [ids.get(word, word) for word in words])
        assert shape(done.stdout) == shape(output), (words, done.stdout, done.stderr)
        assert done.returncode == ('refused' in output and 'explain' not in words)
    message, = client.get(
        f'messages?operator_detail=true&resource_uuid={refused}')['messages']
    assert message['operator_detail'].split(': ')[1] == 'DriverFilter'


def test_as_many_fit_as_are_told(suite, client):
    """The places of one pool are the same by command and by request."""
    told = json.loads(manage(suite, ['cinder-manage', 'scheduler', 'what-if', '--size', '1',
                                     '--count', '1', '--json']).stdout)
    pool, = told['pools']
    room = int(pool['available']) + 1
    for size, accepted in ((room + 50, False), (room // 2, True)):
        found = client.post('scheduler-stats/what-if', {'volume': {'size': size}})['what_if']
        assert found['accepted'] is accepted, (size, found)
