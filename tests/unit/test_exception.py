# SPDX-License-Identifier: Apache-2.0
"""Errors are known as cinder.exception.NAME, wherever in the package they are written."""
import ast
import pathlib
import pickle
import sys

import pytest
from oslo_messaging._drivers import common

from cinder import exception
from cinder.rpc import base

FILES = sorted(pathlib.Path(exception.__file__).parent.glob('*.py'))
NAMES = [node.name for path in FILES for node in ast.parse(path.read_text()).body
         if isinstance(node, ast.ClassDef)]


def test_each_name_is_in_one_module_and_in_the_package():
    assert sorted(set(NAMES)) == sorted(NAMES)
    assert [name for name in NAMES if getattr(exception, name).__module__ != 'cinder.exception'
            or getattr(exception, name).__qualname__ != name] == []


@pytest.mark.parametrize('error', [
    exception.VolumeNotFound(volume_id='v'), exception.ServiceHostNotFound(binary='b', host='h'),
    exception.LockLost(name='x'), exception.InvalidVolumeType(reason='r')],
    ids=lambda error: type(error).__name__)
def test_an_error_is_itself_behind_a_broker_and_a_pickle(error):
    try:
        raise error
    except exception.CinderException:
        sent = common.serialize_remote_exception(sys.exc_info())
    received = common.deserialize_remote_exception(sent, base.EXCEPTION_MODULES)
    assert type(received).__mro__[1] is type(error)
    assert type(pickle.loads(pickle.dumps(error))) is type(error)
