# SPDX-License-Identifier: Apache-2.0
"""Promises about the tree as a whole that no layer can check by itself: what is declared is used,
what is used is declared, and some things happen in one place only."""

import ast
import configparser
import functools
import graphlib
import importlib.metadata
import importlib.util
import pathlib
import re
import sys
from collections import Counter, defaultdict

import pytest

from cinder.conf import options
from cinder.coordination import services

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted((ROOT / 'cinder').rglob('*.py'))
LOOKED_UP_BY_A_MADE_UP_NAME = {
    'volume_manager', 'scheduler_manager', 'backup_manager',  # from the topic of the service
    'osapi_volume_listen_port', 'osapi_volume_use_ssl', 'osapi_volume_workers',  # its name
}
# Imported by nothing here: named in api-paste.ini and in setup.cfg.
NAMED_IN_FILES = {'keystonemiddleware', 'pastedeploy', 'oslo-rootwrap',
                  # oslo.service[threading], whose back end imports them.
                  'cotyledon', 'futurist'}


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOKED_AT = (ast.Import, ast.ImportFrom, ast.Attribute, *FUNCTIONS)


@functools.cache
def tree(path):
    return ast.parse(path.read_text())


@functools.cache
def nodes(path):
    """The nodes of these kinds in a module; to walk through all takes longer than to parse."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, LOOKED_AT)]


def imported_modules(path):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def name_of(requirement):
    return re.match(r'[\w.-]+', requirement)[0].lower().replace('_', '-').replace('.', '-')


@functools.cache
def required():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    return {name_of(line): line for line in lines if line and not line.startswith('#')}


def test_requirements_are_what_is_imported():
    tops = {name.partition('.')[0] for path in SOURCES for name in imported_modules(path)}
    required_tops = {name: tops_of(importlib.metadata.distribution(name)) for name in required()}
    unused = {name for name, its in required_tops.items() if not its & tops}
    assert unused - NAMED_IN_FILES == set()
    others = tops - set().union(*required_tops.values()) - sys.stdlib_module_names - {'cinder'}
    others.discard('pytest')  # it imports the plugin itself
    # Those that are not installed belong to optional parts.
    assert {top for top in others if importlib.util.find_spec(top)} == set()


def tops_of(distribution):
    """The names that are imported from a distribution: declared, or found among its files."""
    return set((distribution.read_text('top_level.txt') or '').split()) or {
        name.partition('/')[0].removesuffix('.py') for name in re.findall(
            r'^"?([^",]+\.py)\b', distribution.read_text('RECORD'), re.MULTILINE)}


def test_requirements_have_a_lower_bound_and_nothing_else():
    assert [line for line in required().values()
            if not re.fullmatch(r'[\w.-]+>=\d+(\.\d+)*', line)] == []


@functools.cache
def setup():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / 'setup.cfg')
    return parser


@pytest.mark.parametrize(('extra', 'scheme'), [('etcd', 'etcd3+http'), ('redis', 'redis')])
def test_the_extra_of_a_lock_service_is_the_client_that_is_missed_without_it(extra, scheme):
    client = services.SERVICES[scheme].package
    assert name_of(setup()['extras'][extra].strip()) == client
    assert f"'.[postgresql,{extra}]'" in (ROOT / 'doc/source/install.rst').read_text()


# Where the clock of the host is read -> what for; what is kept in a row is the database's moment.
HOST_CLOCK = {'brick/ceph/trash.py': 'when an image in the trash of a pool is due',
              'backup/object_store/signature.py': 'when a request to a store was signed',
              'context.py': 'when a request came, for the log',
              'api/dashboard/html.py': 'when a page was made, for who reads it',
              'volume/host/backend.py': 'when a report was made, for the scheduler',
              'db/engines.py': 'the clock of SQLite, which runs in this process',
              'db/migrations/versions/0001_initial.py': 'when the first rows were made'}


def test_rows_have_the_time_of_the_database():
    found = {str(path.relative_to(ROOT / 'cinder')) for path in (ROOT / 'cinder').rglob('*.py')
             if re.search(r'timeutils\.utcnow|datetime\.(utc)?now\(', path.read_text())}
    assert found == set(HOST_CLOCK)


@pytest.mark.parametrize('group', [name for name in setup()['entry_points']])
def test_entry_points_exist(group):
    for line in setup()['entry_points'][group].split('\n'):
        if line:
            name, value = map(str.strip, line.split('='))
            module, _, attribute = value.partition(':')
            path = ROOT / (module.replace('.', '/') + '.py')
            if not module.startswith('cinder'):
                continue
            if not path.exists():
                path = path.with_suffix('') / '__init__.py'
            assert attribute in {getattr(node, 'name', None) for node in tree(path).body}, name


def test_every_option_is_read_by_something():
    text = '\n'.join(path.read_text() for path in SOURCES if 'conf' not in path.parts)
    words = set(re.findall(r'\w+', text))
    unread = [f'{group}/{opt.dest}' for group, opts in options.BY_GROUP.items()
              for opt in opts if opt.dest not in words | LOOKED_UP_BY_A_MADE_UP_NAME
              and not is_referred_to(opt.dest)]
    assert unread == []


def is_referred_to(name):
    """Whether the default of another option is made from this one."""
    return any(f'${name}' in str(opt.default) for opts in options.BY_GROUP.values()
               for opt in opts)


def test_processes_start_in_one_place():
    calls = {'Popen', 'run', 'call', 'check_call', 'check_output', 'system', 'popen', 'posix_spawn'}
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr in calls and isinstance(
                    node.value, ast.Name) and node.value.id in ('subprocess', 'os'):
                found.add(path.relative_to(ROOT).as_posix())
    # On Windows, where fork does not exist, cinder-volume starts itself once for each back end. The
    # suite for tests of clients is started by programs that import nothing else.
    assert found - {'cinder/cmd/volume.py', 'cinder/testing/suite.py'} == {
        'cinder/privsep/command.py'}


def test_one_module_imports_eventlet_and_patches():
    found = {path.relative_to(ROOT).as_posix() for path in SOURCES
             if re.search(r'monkey_patch\(', path.read_text())
             or any(name.partition('.')[0] == 'eventlet' for name in imported_modules(path))}
    assert found == {'cinder/concurrency/eventlet_backend.py'}


def test_every_file_opens_with_licence_and_purpose():
    for path in SOURCES:
        first, *_ = path.read_text().split('\n', 1)
        assert first == '# SPDX-License-Identifier: Apache-2.0', path
        assert ast.get_docstring(tree(path)), path


def test_every_context_has_its_type():
    missing = [f'{path.relative_to(ROOT)}:{node.lineno} {node.name}'
               for path in SOURCES for node in nodes(path)
               if isinstance(node, ast.FunctionDef)
               for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
               if argument.arg.lstrip('_') == 'ctxt' and argument.annotation is None]
    assert missing == []


# ----------------------------------------------------------------------------------------- figures
FILE_LINES, FUNCTION_LINES, EQUAL_LINES = 500, 20, 10
# Files that may be longer -> why.
LONG_FILES = {'cinder/db/models.py': 'the tables, one after the other'}


def test_no_file_is_long():
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
               for path in SOURCES}
    long = {name for name, lines in lengths.items() if lines > FILE_LINES}
    assert long - LONG_FILES.keys() == set()


def test_few_functions_are_long():
    """95 of 100 functions have at most FUNCTION_LINES lines; a migration is what it is."""
    found = sorted((node.end_lineno - node.lineno + 1, f'{path.relative_to(ROOT)}: {node.name}')
                   for path in SOURCES if 'migrations' not in path.parts
                   for node in nodes(path) if isinstance(node, FUNCTIONS))
    longest = found[round(0.95 * (len(found) - 1)):]
    assert longest[0][0] <= FUNCTION_LINES, longest


def test_modules_import_each_other_in_no_circle():
    """Of what is imported with the module; import-linter looks at packages too."""
    names = {name_of_module(path): path for path in SOURCES}
    graph = {name: set(top_level_imports(path, names)) - {name} for name, path in names.items()}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names a circle


def name_of_module(path):
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


def top_level_imports(path, names):
    """The modules of `names` that come with this one: not for type hints, not in a function."""
    todo = list(tree(path).body)
    for node in todo:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path}: a relative import'
            whole = (f'{node.module}.{alias.name}' for alias in node.names)
            yield from (name if name in names else node.module for name in whole
                        if name in names or node.module in names)
        elif not isinstance(node, FUNCTIONS) and not is_for_types(node):
            todo += (child for child in ast.iter_child_nodes(node)
                     if isinstance(child, (ast.stmt, ast.ExceptHandler)))


def is_for_types(node):
    return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test)


def test_no_lines_stand_in_two_modules():
    """EQUAL_LINES lines one after the other, blank ones not counted."""
    files = {path.relative_to(ROOT).as_posix(): [
        line for line in map(str.strip, path.read_text().splitlines()) if line] for path in SOURCES}
    count = Counter(line for lines in files.values() for line in set(lines))
    places = defaultdict(set)
    for name, lines in files.items():
        alone = -1  # the last line that no other file has
        for number, line in enumerate(lines):
            if count[line] == 1:
                alone = number
            elif number - alone >= EQUAL_LINES:
                places[tuple(lines[number + 1 - EQUAL_LINES:number + 1])].add(name)
    assert {run: names for run, names in places.items() if len(names) > 1} == {}


# ------------------------------------------------------------------------------------------- pages
# Written by tools/ when the pages are built.
GENERATED = {'api.rst', 'map.rst', 'policy.rst', 'privileges.rst'}
PAGES = [page for page in (ROOT / 'README.rst', ROOT / 'CONTRIBUTING.rst',
                           *sorted((ROOT / 'doc/source').glob('*.rst')))
         if page.name not in GENERATED]
FOLDERS = ('', 'cinder', 'cinder/api', 'tests', 'tests/functional')


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r'(?<![\w<>/.*-])((?!HERE)[\w/-]+/\w+\.py)\b', page.read_text())
    missing = [name for name in named
               if not any((ROOT / folder / name).exists() for folder in FOLDERS)]
    assert missing == []


@pytest.mark.parametrize(('file', 'function'), sorted(
    {found for page in PAGES for found in re.findall(
        r'"``([\w/]+\.py)``", "``([\w.]+)``"', page.read_text())}))
def test_functions_in_the_table_of_a_page_exist(file, function):
    """Columns that follow one another: "``file below cinder/``", "``function``"."""
    body = tree(ROOT / 'cinder' / file).body
    for name in function.split('.'):
        found = [node for node in body if getattr(node, 'name', None) == name]
        assert found, f'{file} has no {name}'
        body = found[0].body


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_a_page_tells_of_things_and_roles(page):
    """"The caller", "no service", "it": words that leave open who is meant are not used."""
    vague = r'\b(?:whoever|whatever|nobody|somebody|everybody|he|his|him)\b'
    assert re.findall(vague, re.sub('``[^`]+``', '', page.read_text()), re.IGNORECASE) == []


@functools.cache
def defined():
    """Names of functions and classes."""
    files = [*SOURCES, *(ROOT / 'tests').rglob('*.py'), *(ROOT / 'tools').glob('*.py')]
    return {name for path in files for name in re.findall(
        r'^ *(?:def|class) (\w+)', path.read_text(), re.MULTILINE)}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_calls_that_a_page_names_exist(page):
    """``name()``, or ``module.name()``."""
    named = {name.rpartition('.')[2] for name in re.findall(r'``([\w.]+)\(\)``', page.read_text())}
    assert named - defined() - {'repr'} == set()


def rows_of_the_map():
    """Of README: (paths below the root, what is said of them)."""
    text = (ROOT / 'README.rst').read_text().partition('Map of the code\n')[2]
    for left, right in re.findall(r'^    (cinder/\S*[^\s,](?:, \S+)*|tests/) +(.*(?:\n {30,}.*)*)',
                                  text.partition('\n\nA resource')[0], re.MULTILINE):
        first, *others = left.split(', ')
        parent = pathlib.Path(first.rstrip('/')).parent
        yield [first, *(str(parent / name) for name in others)], right


@pytest.mark.parametrize(('paths', 'words'), rows_of_the_map(), ids=lambda value: value[0])
def test_the_map_of_readme_names_what_exists(paths, words):
    folders = [ROOT / path for path in paths] + [ROOT / 'cinder']
    named = re.findall(r'[\w/]+\.py\b|\b\w+/(?!\w)', words)
    assert all(folder.exists() for folder in folders)
    assert [name for name in named if not any((each / name).exists() for each in folders)] == []


def test_the_map_of_readme_has_every_package():
    shown = {path.rstrip('/') for paths, _words in rows_of_the_map() for path in paths}
    packages = {f'cinder/{path.parent.name}' for path in (ROOT / 'cinder').glob('*/__init__.py')}
    missing = {name for name in packages
               if not any(path == name or path.startswith(f'{name}/') for path in shown)}
    assert missing == set()
