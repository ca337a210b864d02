# SPDX-License-Identifier: Apache-2.0
"""Modules that are loaded when they are used."""
import importlib
import sys
import threading
import types

import pytest

from cinder import lazy_import


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules, {path: text}; they are forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(texts):
        for path, text in texts.items():
            file = tmp_path / f'{path}.py'
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        importlib.invalidate_caches()
    yield write
    for name in [name for name in sys.modules if name.startswith('lazy_')
                 and name != 'lazy_import']:
        del sys.modules[name]


def is_loaded(name):
    return type(sys.modules[name]) is types.ModuleType


def test_a_module_is_loaded_by_the_first_use(modules):
    modules({'lazy_example': 'VALUE = 7\n'})
    lazy_import.load_when_used('lazy_example')
    module = importlib.import_module('lazy_example')
    assert not is_loaded('lazy_example')
    assert module.VALUE == 7
    assert is_loaded('lazy_example') and sys.modules['lazy_example'] is module
    with pytest.raises(AttributeError, match='OTHER'):
        module.OTHER  # noqa: B018 - the access is what is tested


def test_callables_that_an_importer_keeps_load_it_when_they_are_called(modules):
    modules({'lazy_example': 'def double(number, *, plus=0):\n    return 2 * number + plus\n',
             'lazy_importer': 'from lazy_example import double\n'})
    lazy_import.load_when_used('lazy_example', 'double', 'absent')
    importer = importlib.import_module('lazy_importer')
    assert not is_loaded('lazy_example')
    assert importer.double(3, plus=1) == 7
    assert is_loaded('lazy_example')
    assert sys.modules['lazy_example'].double(3) == 6
    assert not hasattr(sys.modules['lazy_example'], 'absent')


def test_a_submodule_of_a_package_that_is_not_loaded_is_loaded_once(modules):
    modules({'lazy_package/__init__': 'from lazy_package.part import VALUES\nVALUES.append(1)\n',
             'lazy_package/part': 'VALUES = []\n'})
    lazy_import.load_when_used('lazy_package')
    part = importlib.import_module('lazy_package.part')
    assert not is_loaded('lazy_package')
    assert sys.modules['lazy_package'].VALUES is part.VALUES == [1]
    assert sys.modules['lazy_package'].part is sys.modules['lazy_package.part'] is part


@pytest.mark.parametrize('first', ['lazy_package', 'lazy_package.part'])
def test_a_submodule_is_loaded_without_loading_its_package_before(modules, first):
    modules({'lazy_package/__init__': 'COUNT = []\n',
             'lazy_package/part': 'from lazy_package import COUNT\nCOUNT.append(1)\nVALUE = 7\n'})
    lazy_import.load_when_used('lazy_package.part')
    assert 'lazy_package' not in sys.modules
    importlib.import_module(first)
    from lazy_package import part
    assert not is_loaded('lazy_package.part')
    assert part.VALUE == 7
    package = sys.modules['lazy_package']
    assert package.COUNT == [1] and package.part is part is sys.modules['lazy_package.part']


def test_a_submodule_of_a_loaded_package_is_its_attribute(modules):
    modules({'lazy_package/__init__': '', 'lazy_package/part': 'VALUE = 7\n'})
    package = importlib.import_module('lazy_package')
    lazy_import.load_when_used('lazy_package.part')
    assert package.part.VALUE == 7


def test_what_is_missing_is_not_hidden(modules):
    modules({'lazy_package/__init__': ''})
    lazy_import.load_when_used('lazy_absent')
    with pytest.raises(ModuleNotFoundError, match='lazy_absent'):
        importlib.import_module('lazy_absent')
    lazy_import.load_when_used('lazy_package.absent')
    with pytest.raises(ModuleNotFoundError, match='lazy_package.absent'):
        sys.modules['lazy_package.absent'].VALUE  # noqa: B018
    del sys.modules['lazy_package.absent']
    importlib.import_module('lazy_package')
    lazy_import.load_when_used('lazy_package.absent')
    assert 'lazy_package.absent' not in sys.modules


def test_a_module_that_cannot_be_loaded_is_tried_again(modules):
    modules({'lazy_example': 'import sys\nVALUE = sys.lazy_test_value\n'})
    lazy_import.load_when_used('lazy_example')
    with pytest.raises(AttributeError, match='lazy_test_value'):
        sys.modules['lazy_example'].VALUE  # noqa: B018
    sys.lazy_test_value = 7
    try:
        assert sys.modules['lazy_example'].VALUE == 7
    finally:
        del sys.lazy_test_value


def test_threads_wait_until_another_one_has_loaded_it(modules):
    modules({'lazy_example': 'import lazy_gate\nlazy_gate.began.set()\nlazy_gate.go.wait(10)\n'
                             'VALUE = 7\n',
             'lazy_gate': 'import threading\nbegan, go = threading.Event(), threading.Event()\n'})
    lazy_import.load_when_used('lazy_example')
    gate, seen = importlib.import_module('lazy_gate'), []
    threads = [threading.Thread(target=lambda: seen.append(sys.modules['lazy_example'].VALUE))
               for _ in range(2)]
    threads[0].start()
    assert gate.began.wait(10)
    threads[1].start()
    assert not seen
    gate.go.set()
    for thread in threads:
        thread.join(10)
    assert seen == [7, 7]


def test_a_loaded_module_stays(modules):
    modules({'lazy_example': 'VALUE = 7\n'})
    module = importlib.import_module('lazy_example')
    lazy_import.load_when_used('lazy_example')
    assert sys.modules['lazy_example'] is module
