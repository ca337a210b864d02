# SPDX-License-Identifier: Apache-2.0
"""Walks over an API, and what they compare: an API in memory, which pages its lists by two."""
import copy
import json
from urllib import parse

import pytest

from cinder import exception
from cinder.cmd import api_commands, api_walk

OLD, NEW = 'http://old:8776/v3/p', 'https://new/volume/v3/p'
VOLUMES = [{'id': f'v{number}', 'host': 'a@b#c', 'os-vol-tenant-attr:tenant_id': 'p1',
            'links': [{'href': '%s/volumes/v' + str(number), 'rel': 'self'}]}
           for number in range(5)]


def answers():
    """The answers of an API by path; texts have the endpoint in the place of %s."""
    found = {'os-hosts': {'hosts': [{'host_name': 'a@b', 'service': 's', 'zone': 'z'}]},
             'os-hosts/a%40b': {'host': []}, 'volumes/detail': {'volumes': VOLUMES},
             'os-quota-sets/p1': {'quota_set': {'volumes': 1}}}
    for row in VOLUMES:
        found[f'volumes/{row["id"]}'] = {'volume': row}
        found[f'volumes/{row["id"]}/metadata'] = {'metadata': {'k/ü': 'v'}}
        found[f'volumes/{row["id"]}/metadata/k%2F%C3%BC'] = {'meta': {'k/ü': 'v'}}
    return copy.deepcopy(found)


@pytest.fixture
def apis(monkeypatch):
    """Endpoint -> path -> answer."""
    monkeypatch.setenv('OS_TOKEN', 't')
    known = {OLD: answers(), NEW: answers()}

    def send(api, url):
        if '/v3' not in url:
            return api_walk.Answer(300, {'versions': [{'id': 'v3.0', 'version': '3.60'}]})
        endpoint = next(each for each in known if url.startswith(each))
        path, _, query = url.removeprefix(endpoint + '/').partition('?')
        if path not in known[endpoint]:
            return api_walk.Answer(404, 'none')
        body = json.loads(json.dumps(known[endpoint][path]).replace('%s', endpoint))
        if path == 'volumes/detail':
            words = dict(parse.parse_qsl(query))
            start = int(words.get('marker', 0))
            if len(body['volumes']) > start + 2:
                body['volumes_links'] = [{'rel': 'next', 'href': 'http://behind/x?'
                                          + parse.urlencode(words | {'marker': start + 2})}]
            body['volumes'] = body['volumes'][start:start + 2]
        return api_walk.Answer(200, body)
    monkeypatch.setattr(api_walk.Api, '_send', send)
    return known


def compare(old=OLD, new=NEW, map_host=(), everything=False, as_json=False, lists_only=False):
    return api_commands.compare(old, new, map_host, everything, as_json, lists_only)


def test_all_pages_members_and_projects_are_read(apis):
    api = api_walk.Api(OLD, 't')
    assert api.microversion == '3.60'
    walk = dict(api_walk.walk(api))
    read = {path.partition('?')[0] for path, answer in walk.items() if answer.status == 200}
    assert read == set(apis[OLD])
    assert [row['id'] for row in walk['volumes/detail?all_tenants=1'].body['volumes']] == [
        'v0', 'v1', 'v2', 'v3', 'v4']
    lists = {path for path, _answer in api_walk.walk(api, lists_only=True)}
    assert 'volumes/v1' not in lists and 'os-quota-sets/p1' in lists


def test_the_same_answers_at_another_address(apis, capsys):
    assert compare() == 0
    assert capsys.readouterr().out.endswith('answers compared, 0 differences\n')


@pytest.mark.parametrize(('change', 'line'), [
    (lambda api: api['volumes/v1']['volume'].update(host='x'),
     'volumes/v1 volume.host: "a@b#c" -> "x"'),
    (lambda api: api['volumes/detail']['volumes'].reverse(),
     'volumes/detail?all_tenants=1 volumes order: ["v0", '),
    (lambda api: api['volumes/detail']['volumes'].pop(),
     'volumes/detail?all_tenants=1 volumes[v4]: {"id": "v4"'),
    (lambda api: api.pop('volumes/v3'), 'volumes/v3 status: 200 -> 404'),
    (lambda api: api['os-quota-sets/p1']['quota_set'].update(volumes='1'),
     'os-quota-sets/p1 quota_set.volumes: 1 -> "1"'),
    (lambda api: api['volumes/v1/metadata']['metadata'].update(more=None),
     'volumes/v1/metadata metadata.more: "(missing)" -> null')])
def test_what_differs_is_told(apis, capsys, change, line):
    change(apis[NEW])
    assert compare() == 1
    assert line in capsys.readouterr().out


def test_what_is_meant_to_differ_is_counted(apis, capsys):
    """The attachments of a volume have its id as `id`, and are in no order in the original."""
    old, new = (apis[each]['volumes/v1']['volume'] for each in (OLD, NEW))
    old['attachments'] = [{'id': 'v1', 'attachment_id': name, 'device': 'd'} for name in 'ab']
    new['attachments'] = old['attachments'][::-1]
    assert compare() == 0
    out = capsys.readouterr().out
    # In the list, and alone.
    assert '2 differences are intended: the attachments' in out and '["a", "b"]' not in out
    assert compare(everything=True) == 0
    assert 'attachments order: ["a", "b"] -> ["b", "a"] (the att' in capsys.readouterr().out
    apis[NEW]['volumes/v1']['volume']['attachments'] = [{**old['attachments'][0], 'device': 'e'},
                                                        old['attachments'][1]]
    assert compare() == 1
    assert 'volume.attachments[a].device: "d" -> "e"' in capsys.readouterr().out


def test_hosts_with_new_names(apis, capsys):
    apis[NEW] = json.loads(json.dumps(apis[NEW]).replace('a@b', 'x@b').replace('a%40b', 'x%40b'))
    assert compare(map_host=['a=x']) == 0
    assert compare(map_host=['a@b=x@b', 'a=wrong']) == 0
    assert compare() == 1
    with pytest.raises(exception.InvalidInput, match='--map-host a: expected OLD=NEW'):
        compare(map_host=['a'])


def test_a_record_is_compared_as_the_api(apis, tmp_path, capsys):
    path = str(tmp_path / 'record')
    assert api_commands.record(OLD, path, None, lists_only=False) == 0
    apis[OLD].clear()
    assert compare(path) == compare(path, path) == 0
    apis[NEW]['volumes/v0']['volume']['size'] = 1
    capsys.readouterr()
    assert compare(path, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)['differences']
    assert found[-1] == {'path': 'volumes/v0', 'place': 'volume.size', 'old': '(missing)',
                         'new': 1, 'reason': None}
    with pytest.raises(exception.InvalidInput, match='cannot be made: File exists'):
        api_commands.record(OLD, path, None, lists_only=False)


def test_what_cannot_be_asked(apis, monkeypatch, tmp_path):
    with pytest.raises(exception.InvalidInput, match='is neither an endpoint nor a file'):
        compare(str(tmp_path / 'none'))
    with pytest.raises(exception.InvalidInput, match='is not a URL such as'):
        compare('http://h:1/v2')
    monkeypatch.delenv('OS_TOKEN')
    with pytest.raises(exception.InvalidInput, match='OS_TOKEN is not set'):
        compare()
