# SPDX-License-Identifier: Apache-2.0
"""The tree of paths."""
import pytest

from cinder.api import dispatch, wsgi


@pytest.fixture
def tree():
    root = dispatch.Node()
    for path in ('/volumes', '/volumes/detail', '/volumes/{volume_id}',
                 '/volumes/{volume_id}/metadata/{key}'):
        root.add(path, {'GET': path})
    return root


@pytest.mark.parametrize(('path', 'found', 'args'), [
    ('volumes', '/volumes', {}),
    ('volumes/detail', '/volumes/detail', {}),
    ('volumes/1', '/volumes/{volume_id}', {'volume_id': '1'}),
    ('volumes/1/metadata/k', '/volumes/{volume_id}/metadata/{key}',
     {'volume_id': '1', 'key': 'k'}),
    ('volumes/1/metadata', None, None), ('zz', None, None), ('', None, None),
    ('volumes/', None, None), ('volumes/1/x', None, None), ('volumes/1/metadata/', None, None),
    ('volumes.json', '/volumes', {}),
    ('volumes/1.json', '/volumes/{volume_id}', {'volume_id': '1'}),
    ('volumes//detail', '/volumes/detail', {}),
    ('volumes//1//metadata/k', '/volumes/{volume_id}/metadata/{key}',
     {'volume_id': '1', 'key': 'k'}),
    *((f'volumes/1/metadata/{key}', '/volumes/{volume_id}/metadata/{key}',
       {'volume_id': '1', 'key': key})
      for key in ('k/l', 'k/', '/k', '//', 'k//l', 'http://k', 'k.json', 'detail', 'a/b/c/d'))])
def test_find(tree, path, found, args):
    node, values = tree.find(path.split('/'))
    if found is None:
        assert node is None
    else:
        assert (node.methods, values) == ({'GET': found}, args)


def test_mistakes_in_the_table(tree):
    with pytest.raises(ValueError, match='placeholder'):
        tree.add('/volumes/{other}/x', {})
    with pytest.raises(ValueError, match='twice'):
        tree.add('/volumes/detail', {})


@pytest.mark.parametrize(('path', 'project'), [
    ('/volumes', None), ('/volumes/detail', None), ('/openapi.json', None),
    ('/mine/volumes', 'mine'), ('/mine', 'mine'), ('/mine/', 'mine'), ('/mine.json', 'mine'),
    ('//mine//volumes', 'mine')])
def test_a_resource_is_no_project(monkeypatch, path, project):
    """Also where operators allow any name as a project's."""
    seen = []
    monkeypatch.setattr(dispatch.Application, '_check_project',
                        staticmethod(lambda req: seen.append(req.url_project)))
    monkeypatch.setattr(dispatch.versions, 'below_v3', lambda _req: wsgi.Response())

    def handler(_req):
        return None
    routes = {name: {'GET': handler} for name in ('/volumes', '/volumes/detail', '/openapi')}
    application = dispatch.Application(routes, r'[\w.-]+')
    application({'REQUEST_METHOD': 'GET', 'PATH_INFO': path}, lambda *_args: None)
    assert seen == [project]
