# SPDX-License-Identifier: Apache-2.0
"""The table of the libraries' options: it is what the installed libraries declare."""

import importlib.metadata
import json
import subprocess
import sys

import pytest
from packaging.version import Version

from cinder.conf import library
from tools import library_options


@pytest.fixture(scope='module')
def made():
    return library_options.table()


def test_the_table_is_what_the_libraries_declare(made):
    """Made anew by `python -m tools.library_options`. A library that is older than the one it was
    made from may lack options or have more."""
    kept = json.loads(library_options.PATH.read_text())
    older = {name for name, version in kept['made_with'].items()
             if Version(importlib.metadata.version(name)) < Version(version)}
    assert set(made['made_with']) == set(kept['made_with'])

    def rows(table):
        return {(section, name): row for section, options in table['sections'].items()
                for name, row in options.items() if row['library'] not in older}
    assert rows(made) == rows(kept)


def test_each_row_makes_a_type(made):
    for section, rows in made['sections'].items():
        for name in rows:
            assert callable(library.find(section, name).type)


def test_an_option_that_is_newer_than_the_table_is_found_in_the_library(monkeypatch):
    monkeypatch.delitem(library._table()['database'], 'max_pool_size')
    monkeypatch.setitem(library._content()['made_with'], 'oslo.db', '1.0')
    library._declared.cache_clear()
    assert library.find('database', 'max_pool_size') is None
    assert library.find_newer('database', 'max_pool_size').type('7') == 7
    library._declared.cache_clear()


def test_a_type_of_a_library_itself_checks_the_value():
    kind = library.find('cinder_sys_admin', 'capabilities').type
    assert kind('CAP_MKNOD, 21') == [27, 21]
    with pytest.raises(ValueError, match='no_such_name'):
        kind('no_such_name')


def test_no_library_is_imported_where_the_table_is_of_its_version():
    if library._other_versions(library._content()['made_with']):
        pytest.skip('other versions of the libraries are installed')
    code = ('import sys; from cinder.conf import library; library.find("database", "connection"); '
            'library.find("nova", "auth_url"); library.find_newer("nova", "auth_urll"); '
            'print(*sys.modules)')
    loaded = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            check=True).stdout.split()
    assert not {'oslo_db', 'keystoneauth1', 'oslo_messaging', 'castellan'} & set(loaded)
