# SPDX-License-Identifier: Apache-2.0
"""The files that releases of the original install serve our API."""
import json

import pytest

from tests.functional import original_files
from tests.functional.backup_peer import Unavailable
from tests.functional.daemon import PROJECT, sync


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
