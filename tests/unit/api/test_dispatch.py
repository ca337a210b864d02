# SPDX-License-Identifier: Apache-2.0
"""From paths to rows of the table, and back."""
import pytest
import webob

from cinder.api import dispatch

PATHS = ('/volumes', '/volumes/detail', '/volumes/{volume_id}',
         '/volumes/{volume_id}/metadata/{key}', '/clusters/detail', '/clusters/{cluster_name}')


@pytest.fixture(scope='module')
def router():
    return dispatch.Router(PATHS)


@pytest.mark.parametrize(('path', 'found', 'args'), [
    ('volumes', '/volumes', {}),
    ('volumes/detail', '/volumes/detail', {}),
    ('volumes/1', '/volumes/{volume_id}', {'volume_id': '1'}),
    ('volumes/1/metadata/k', '/volumes/{volume_id}/metadata/{key}',
     {'volume_id': '1', 'key': 'k'}),
    ('volumes/1/metadata', None, None), ('zz', None, None), ('', None, None),
    # A word is no id and no name, also where the path goes on.
    ('volumes/detail/metadata/k', None, None), ('clusters/detail/x', None, None),
    ('clusters/detail.json', '/clusters/detail', {}),
    ('clusters//detail', '/clusters/{cluster_name}', {'cluster_name': '/detail'}),
    ('clusters/details', '/clusters/{cluster_name}', {'cluster_name': 'details'}),
    # A line feed ends no path.
    ('volumes\n', None, None), ('volumes/1/x\n', None, None), ('volumes/detail\n',
     '/volumes/{volume_id}', {'volume_id': 'detail\n'}),
    ('volumes/1\n', '/volumes/{volume_id}', {'volume_id': '1\n'}),
    ('volumes/', None, None), ('volumes/1/x', None, None), ('volumes/1/metadata/', None, None),
    ('volumes.json', '/volumes', {}),
    ('volumes/1.json', '/volumes/{volume_id}', {'volume_id': '1'}),
    ('volumes//detail', '/volumes/detail', {}),
    ('volumes//1//metadata/k', '/volumes/{volume_id}/metadata/{key}',
     {'volume_id': '1', 'key': 'k'}),
    *((f'volumes/1/metadata/{key}', '/volumes/{volume_id}/metadata/{key}',
       {'volume_id': '1', 'key': key})
      for key in ('k/l', 'k/', '/k', '//', 'k//l', 'http://k', 'k.json', 'detail', 'a/b/c/d',
                  'k\n', 'k\nl'))])
def test_find(router, path, found, args):
    row, values = router.find(path)
    if found is None:
        assert row is None
    else:
        assert (row, values) == (found, args)


def test_mistakes_in_the_table():
    with pytest.raises(ValueError, match='placeholder'):
        dispatch.Router([*PATHS, '/volumes/{other}/x'])
    with pytest.raises(ValueError, match='duplicated'):
        dispatch.Router([*PATHS, '/volumes/detail'])


def test_url_of_a_member(router):
    assert router.members == {'volumes': '/volumes/', 'clusters': '/clusters/'}


@pytest.mark.parametrize(('path', 'project'), [
    ('/volumes', None), ('/volumes/detail', None), ('/openapi.json', None),
    ('/mine/volumes', 'mine'), ('/mine', 'mine'), ('/mine/', 'mine'), ('/mine.json', 'mine'),
    ('//mine//volumes', 'mine')])
def test_a_resource_is_no_project(monkeypatch, path, project):
    """Also where operators allow any name as a project's."""
    seen = []
    monkeypatch.setattr(dispatch.Application, '_check_project',
                        staticmethod(lambda req: seen.append(req.url_project)))
    monkeypatch.setattr(dispatch.versions, 'show_v3', lambda _req: webob.Response())

    def handler(_req):
        return None
    routes = {name: {'GET': handler} for name in ('/volumes', '/volumes/detail', '/openapi')}
    application = dispatch.Application(routes, r'[\w.-]+')
    application({'REQUEST_METHOD': 'GET', 'PATH_INFO': path}, lambda *_args: None)
    assert seen == [project]
