# SPDX-License-Identifier: Apache-2.0
"""Where links point to."""
import pytest

from cinder.api import urls
from tests.unit.api.conftest import request


def test_next_link_leaves_the_offset_out():
    href = urls.next_link(request('limit=2&offset=5&name=a b'), 'm1')
    assert href == 'http://h:1/v3/p1/volumes?limit=2&name=a+b&marker=m1'


@pytest.mark.parametrize(('mount', 'project', 'own'), [
    ('/v3', 'p1', 'http://h:1/v3/p1/volumes/1'), ('/v3', None, 'http://h:1/v3/volumes/1'),
    ('/block/v3', 'p1', 'http://h:1/block/v3/p1/volumes/1')])
def test_links(mount, project, own):
    req = request(SCRIPT_NAME=mount)
    req.url_project = project
    first, second = urls.links(req, 'volumes', '1')
    assert first == {'rel': 'self', 'href': own}
    assert second == {'rel': 'bookmark', 'href': own.replace('/v3', '', 1)}
