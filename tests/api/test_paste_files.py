# SPDX-License-Identifier: Apache-2.0
"""Paste files that were written for the original serve the same API; what they mount besides is
ignored with a warning, and what they lack is said."""
import pytest

from cinder import exception
from cinder.api import paste_file
from cinder.conf import CONF
from tests import paste_styles
from tests.api.client import Api


@pytest.fixture(params=paste_styles.STYLES)
def style(request):
    return paste_styles.STYLES[request.param]


@pytest.fixture
def served(api, style, tmp_path):
    """The API of a file of that style, called by an administrator."""
    path = paste_styles.write(tmp_path / 'api-paste.ini', style)
    return Api(paste_file.load(str(path)))


def test_the_api_is_served(served):
    answer = served.request('GET', '/volumes/detail')
    assert (answer.status, answer.json) == (200, {'volumes': []})
    ids = answer.headers.getall('x-openstack-request-id')
    assert len(ids) == 1 and ids == answer.headers.getall('x-compute-request-id')
    assert served.request('GET', '/', bare=True).json['versions'][0]['id'] == 'v3.0'


def test_errors_are_faults(served):
    assert 'nothing' in served.request('GET', '/volumes/nothing').fault(404)
    large = served.request('POST', '/volumes', raw=b' ' * 200_000)
    assert (large.status, b'114688' in large.body) == (413, True)


def test_old_mounts_are_ignored(api, style, tmp_path, caplog):
    path = paste_styles.write(tmp_path / 'api-paste.ini', style)
    served = Api(paste_file.load(str(path)))
    old = [f'/{version}' for version in style.mounts if version != 'v3']
    for mount in old:
        assert served.request('GET', f'{mount}/p/volumes', bare=True).status == 404
    said = [record.getMessage() for record in caplog.records if 'ignored' in record.getMessage()]
    assert len(said) == bool(old) and all(', '.join(old) in text for text in said)


def test_health(served, style):
    if style.health:
        answer = served.request('GET', '/healthcheck', bare=True)
        assert (answer.status, answer.body) == (200, b'OK')


def test_a_file_without_this_api_is_refused(tmp_path):
    path = paste_styles.write(tmp_path / 'api-paste.ini', paste_styles.TOO_OLD)
    with pytest.raises(exception.InvalidConfigurationValue, match='mounts /v1, /v2 and no /v3'):
        paste_file.load(str(path))


def test_its_tokens_are_checked_by_our_filter(style, tmp_path, monkeypatch):
    monkeypatch.setattr(CONF, 'auth_strategy', 'keystone', raising=False)
    path = paste_styles.write(tmp_path / 'api-paste.ini', style)
    with pytest.raises(exception.InvalidConfigurationValue, match='keystone_authtoken'):
        paste_file.load(str(path))
