# SPDX-License-Identifier: Apache-2.0
"""The map of the code has every package, and its arrows say what the imports say."""
import pathlib
import xml.etree.ElementTree as ET

import pytest

from tools import code_map

ROOT = pathlib.Path(__file__).parents[3]
SVG = '{http://www.w3.org/2000/svg}'
MAPS = code_map.maps()
whole, *_inside = MAPS
# What the layers of a package mention, where that is not all of it.
DRAWN = {'cinder.backup': {'ceph', 'chunked', 'driver', 'drivers', 'facts', 'object_store',
                           'temporary_file', 'threads', 'volume_data'}}


def test_the_maps_are_those_of_the_layers():
    assert [each.root for each in MAPS] == ['cinder', 'cinder.volume', 'cinder.backup']


@pytest.mark.parametrize('drawn', MAPS, ids=lambda each: each.root)
def test_every_package_is_drawn_with_its_lines(drawn):
    folder = ROOT / drawn.root.replace('.', '/')
    found = {f'{drawn.root}.{path.stem}' for path in folder.iterdir()
             if (path / '__init__.py').exists() or path.suffix == '.py'}
    left_out = {'cinder.volume.checks', f'{drawn.root}.__init__'}
    if drawn.root in DRAWN:
        left_out |= found - {f'{drawn.root}.{name}' for name in DRAWN[drawn.root]}
    assert set(drawn.packages) == found - left_out
    picture = ET.fromstring(code_map.svg(drawn))
    texts = [text.text for text in picture.iter(f'{SVG}text')]
    for each in drawn.packages.values():
        assert each.title in texts and f'{each.lines:,} lines' in texts


def test_lines_and_files_are_those_of_the_tree():
    files = list((ROOT / 'cinder/db').rglob('*.py'))
    package = whole.packages['cinder.db']
    # The migrations are programs of alembic's, in a folder that is no package.
    files = [path for path in files if 'migrations' not in path.parts]
    assert package.files == len(files)
    assert package.lines == sum(len(path.read_text().splitlines()) for path in files)


@pytest.mark.parametrize('drawn', MAPS, ids=lambda each: each.root)
def test_arrows_lead_down_and_to_all_that_is_imported(drawn):
    rows = {name: number for number, layer in enumerate(drawn.layers) for name in layer}
    arrows = drawn.arrows()
    assert all(rows[upper] < rows[lower] for upper, lower in arrows)
    picture = ET.fromstring(code_map.svg(drawn))
    assert len(picture.findall(f'{SVG}path')) == len(drawn.short_arrows())

    def reached(name):
        lower = {end for start, end in arrows if start == name}
        return lower.union(*(reached(each) for each in lower))

    for name, package in drawn.packages.items():
        assert package.imports <= reached(name)


def test_an_arrow_that_follows_from_others_is_left_out():
    assert 'cinder.exception' in whole.packages['cinder.api'].imports
    assert ('cinder.api', 'cinder.exception') not in whole.arrows()


def test_a_long_arrow_to_a_module_of_one_file_is_in_the_table_only():
    left_out = set(whole.arrows()) - set(whole.short_arrows())
    assert left_out and {whole.packages[lower].files for _upper, lower in left_out} == {1}


def test_the_same_tree_gives_the_same_files(tmp_path):
    code_map.write(tmp_path)
    first = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(first) == {'map.rst', *(each.picture for each in MAPS)}
    assert code_map.page(MAPS) == first['map.rst']
    assert [code_map.svg(each) for each in MAPS] == [first[each.picture] for each in MAPS]
