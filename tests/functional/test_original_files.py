# SPDX-License-Identifier: Apache-2.0
"""The files that releases of the original install serve our API, and those that deployment tools
write start our daemons."""
import configparser
import json
import pathlib

import pytest

from tests import paste_styles
from tests.functional import original_files
from tests.functional.backup_peer import Unavailable
from tests.functional.daemon import PROJECT, sync

SAMPLES = pathlib.Path(__file__).parents[1] / 'samples/deployments'


@pytest.mark.parametrize('release', original_files.RELEASES)
def test_the_api_starts_with_the_files_of_the_original(release, daemon, tmp_path):
    paths = {}
    try:
        for name in ('api-paste.ini', 'resource_filters.json'):
            paths[name] = tmp_path / f'original-{name}'
            paths[name].write_text(original_files.fetch(release, name))
    except Unavailable as exc:
        pytest.skip(str(exc))
    api = daemon('api', api_paste_config=paths['api-paste.ini'], osapi_volume_workers=1,
                 resource_query_filters_file=paths['resource_filters.json'])
    sync(api)
    api.begin(lambda: api.answers(path=f'/v3/{PROJECT}/types'))
    assert json.loads(api.ask('/')[1])['versions'][0]['id'] == 'v3.0'
    assert api.ask(f'/v2/{PROJECT}/volumes')[0] == 404
    assert ('/v2, which is ignored' in api.text()) == ('/v2' in paths['api-paste.ini'].read_text())
    status, body = api.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 'large'}})
    assert (status, 'badRequest' in json.loads(body)) == (400, True)


# What of the files belongs to the host of the tool: it is that of the test instead.
OF_THE_HOST = {
    'DEFAULT': ('transport_url', 'state_path', 'log_dir', 'log_file', 'log_config_append',
                'osapi_volume_listen', 'osapi_volume_listen_port', 'api_paste_config',
                'resource_query_filters_file', 'rootwrap_config', 'backup_driver'),
    'database': ('connection',), 'coordination': ('backend_url',), 'oslo_policy': ('policy_file',),
    'oslo_concurrency': ('lock_path',),
    'oslo_messaging_notifications': ('transport_url', 'driver')}
PASTE = {'charm': 'charm', 'helm': 'helm', 'kolla': 'original, of today',
         'packstack': 'original, with v2', 'devstack': 'original, of today'}


def of_tool(name, daemon, tmp_path, module):
    """A daemon with the configuration of a tool."""
    parser = configparser.RawConfigParser(strict=False, default_section='none')
    parser.optionxform = str
    parser.read(SAMPLES / f'{name}.conf')
    made = daemon(module)
    made.options.pop('auth_strategy')
    for section in parser.sections():
        kept = {key: value for key, value in parser.items(section)
                if key not in OF_THE_HOST.get(section, ())}
        if section == 'DEFAULT':
            made.options |= kept
        else:
            made.sections[section] = {**made.sections.get(section, {}), **kept}
    paste = paste_styles.write(tmp_path / 'paste.ini', paste_styles.STYLES[PASTE[name]])
    made.write(api_paste_config=paste)
    sync(made)
    return made


@pytest.mark.parametrize('name', PASTE)
def test_the_api_starts_with_the_files_of_a_deployment_tool(name, daemon, tmp_path):
    api = of_tool(name, daemon, tmp_path, 'api')
    api.begin(lambda: api.port and api.ask('/')[0] == 300)
    assert api.ask(f'/v3/{PROJECT}/volumes')[0] == 401
    assert 'These options do nothing here' in api.text()
    unknown = [line for line in api.text().splitlines() if 'is unknown: it has no effect' in line]
    assert [line for line in unknown if 'api_paste_confg' not in line] == []
    assert api.end() == 0


def test_a_value_of_the_original_stops_only_its_back_end(daemon):
    volume = daemon('volume', enabled_backends='files,scst', host='node')
    volume.sections['scst'] = {**volume.sections['files'], 'target_helper': 'scstadmin',
                               'file_volume_dir': volume.path.parent / 'scst'}
    volume.write()
    sync(volume)
    volume.start()
    volume.says('cinder-volume on node@files is up.')
    volume.says('here, set tgtadm, lioadm or nvmet. Back end [scst] does not start.')
    volume.says('Back end scst is skipped')
    assert volume.end() == 0
