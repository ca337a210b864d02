#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The map of the code, drawn from its imports: a page of doc/ and its pictures.

doc/source/conf.py writes them at each build, so they cannot be out of date; with the name of a
folder as its argument this program writes them there. The rows of a picture are the layers that
import-linter checks (setup.cfg), its boxes have the lines of a package, its arrows are imports.
"""

import ast
import configparser
import copy
import pathlib
import sys
from collections.abc import Iterable
from typing import NamedTuple

import grimp

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.api_page import rows  # noqa: E402 - found through the line above

PAGE = """\
Map of the code
===============

This page is made from the imports of the code when the documentation is built.

Each row is a layer, and a layer imports only what is below it: ``setup.cfg`` has the order, and
``tox -e lint`` checks it. The width of a box grows with its lines of Python. An arrow is an import.
Where another path of arrows leads to the same package, the import has no arrow of its own, nor have
imports of small modules far below; the tables have all imports. Classes that an option names
(managers, drivers, targets, filters) are imported by that name, without an arrow.

:doc:`flows` shows which functions a request passes.
"""
SECTION = """\

{title}
{underline}

.. image:: {picture}
   :alt: Layers and imports of {root}

{table}"""


# Rows that an arrow to a module of one file may cross.
LONGEST = 3


class Package(NamedTuple):
    """A box.

    :ivar name: full name, such as 'cinder.db'
    :ivar files: number of its modules
    :ivar lines: of all its modules
    :ivar purpose: first sentence of its docstring
    :ivar imports: names of the others of its map that it imports
    """

    name: str
    files: int
    lines: int
    purpose: str
    imports: frozenset[str]

    @property
    def title(self) -> str:
        return self.name.rpartition('.')[2]


class Map(NamedTuple):
    """A picture: its packages by name, and the layers from above."""

    root: str
    packages: dict[str, Package]
    layers: list[list[str]]

    @property
    def picture(self) -> str:
        """Name of its file."""
        return f'map-{self.root}.svg'

    def arrows(self) -> list[tuple[str, str]]:
        """The imports that do not follow from others, in order."""
        below: dict[str, set[str]] = {}
        for name in (name for layer in reversed(self.layers) for name in layer):
            direct = self.packages[name].imports
            below[name] = direct.union(*(below[other] for other in direct))
        return [(name, other) for name in sorted(self.packages)
                for other in sorted(self.packages[name].imports)
                if not any(other in below[third] for third in self.packages[name].imports)]

    def short_arrows(self) -> list[tuple[str, str]]:
        """Those that are drawn: no long ones to modules of one file, which any package imports."""
        rows = {name: number for number, layer in enumerate(self.layers) for name in layer}
        return [(upper, lower) for upper, lower in self.arrows()
                if self.packages[lower].files > 1 or rows[lower] - rows[upper] <= LONGEST]


# ------------------------------------------------------------------------------ what is in the tree
def maps() -> list[Map]:
    """Return a map for each contract of setup.cfg that names layers."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / 'setup.cfg')
    contracts = [section for name, section in parser.items()
                 if name.startswith('importlinter:contract:') and section['type'] == 'layers']
    graph = grimp.build_graph('cinder', exclude_type_checking_imports=True, cache_dir=None)
    return [_map(copy.deepcopy(graph), contract['containers'].strip(), contract['layers'])
            for contract in contracts]


def _map(graph: grimp.ImportGraph, root: str, text: str) -> Map:
    layers = [[f'{root}.{word.strip(" ()")}' for word in line.split('|')]
              for line in text.strip().splitlines()]
    names = [name for layer in layers for name in layer if name in graph.modules]
    modules = {name: [name, *graph.find_descendants(name)] for name in names}
    for name in names:
        graph.squash_module(name)
    packages = {name: _package(name, modules[name],
                               graph.find_modules_directly_imported_by(name) & set(names) - {name})
                for name in names}
    return Map(root, packages, [[name for name in layer if name in packages] for layer in layers])


def _package(name: str, modules: Iterable[str], imports: Iterable[str]) -> Package:
    files = [_file(module) for module in modules]
    lines = sum(len(path.read_text().splitlines()) for path in files)
    docstring = ast.get_docstring(ast.parse(_file(name).read_text())) or ''
    purpose = ' '.join(docstring.split('\n\n')[0].split()).partition('. ')[0]
    return Package(name, len(files), lines, purpose.rstrip('.'), frozenset(imports))


def _file(module: str) -> pathlib.Path:
    path = ROOT.joinpath(*module.split('.'))
    return path / '__init__.py' if path.is_dir() else path.with_suffix('.py')


# -------------------------------------------------------------------------------------- the picture
WIDTH, ROW, BOX, SHIFT = 960, 74, 36, 60
STYLE = """\
text { font: 13px sans-serif; text-anchor: middle; fill: #1d2733 }
.lines { font-size: 10px; fill: #5b6775 }
.layer { fill: #f4f6f8 }
.box { fill: #ffffff; stroke: #5b6775 }
.arrow { fill: none; stroke: #2f6fb0; stroke-opacity: .6; marker-end: url(#head) }
"""


class Box(NamedTuple):
    """Where a package is drawn: its middle, its upper edge, its width, in pixels."""

    middle: float
    top: int
    width: float


def svg(drawn: Map) -> str:
    """Return the picture as SVG."""
    boxes = _boxes(drawn)
    height = ROW * len(drawn.layers)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}">',
             f'<title>{drawn.root}</title>', f'<style>{STYLE}</style>',
             '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
             'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#2f6fb0"/></marker>'
             '</defs>']
    parts += [f'<rect class="layer" x="0" y="{number * ROW + 6}" width="{WIDTH}" '
              f'height="{BOX + 12}"/>' for number in range(len(drawn.layers))]
    parts += [_arrow(boxes[upper], boxes[lower]) for upper, lower in drawn.short_arrows()]
    parts += [_box(drawn.packages[name], box) for name, box in boxes.items()]
    return '\n'.join([*parts, '</svg>', ''])


def _boxes(drawn: Map) -> dict[str, Box]:
    """Place each layer in a row, what is imported below those that import it."""
    boxes: dict[str, Box] = {}
    for number, layer in enumerate(drawn.layers):
        def wish(name: str) -> tuple[float, str]:
            above = [boxes[upper].middle for upper, lower in drawn.short_arrows() if lower == name]
            return (sum(above) / len(above) if above else WIDTH, name)

        widths = {name: _width(drawn.packages[name]) for name in sorted(layer, key=wish)}
        space = (WIDTH - sum(widths.values())) / (len(widths) + 1)
        # Single boxes are not in line, else an arrow would hide behind the next one.
        left = space if len(layer) > 1 else space + (SHIFT if number % 2 else -SHIFT)
        for name, width in widths.items():
            boxes[name] = Box(left + width / 2, number * ROW + 12, width)
            left += width + space
    return boxes


def _width(package: Package) -> float:
    return max(len(package.title) * 8 + 16, 52 + package.lines / 50)


def _box(package: Package, box: Box) -> str:
    return (f'<rect class="box" x="{box.middle - box.width / 2:.0f}" y="{box.top}" '
            f'width="{box.width:.0f}" height="{BOX}" rx="4"/>'
            f'<text x="{box.middle:.0f}" y="{box.top + 16}">{package.title}</text>'
            f'<text class="lines" x="{box.middle:.0f}" y="{box.top + 29}">'
            f'{package.lines:,} lines</text>')


def _arrow(upper: Box, lower: Box) -> str:
    """From the lower edge of one box to the upper edge of the other, where they face each other."""
    def near(box: Box, other: Box) -> float:
        reach = box.width / 2 - 10
        return box.middle + max(-reach, min(reach, (other.middle - box.middle) / 4))

    start, end = near(upper, lower), near(lower, upper)
    top, bottom = upper.top + BOX, lower.top
    bend = (bottom - top) / 2
    return (f'<path class="arrow" d="M{start:.0f} {top}C{start:.0f} {top + bend:.0f} '
            f'{end:.0f} {bottom - bend:.0f} {end:.0f} {bottom}"/>')


# ----------------------------------------------------------------------------------------- the page
def page(drawn: Iterable[Map]) -> str:
    """Return the page as reStructuredText."""
    parts = [PAGE]
    for each in drawn:
        title = f'Inside {each.root}' if '.' in each.root else 'Packages'
        parts.append(SECTION.format(title=title, underline='-' * len(title), root=each.root,
                                    picture=each.picture, table=_table(each)))
    return ''.join(parts)


def _table(drawn: Map) -> str:
    found = [('Package', 'Files', 'Lines', 'What it is', 'Imports')]
    for name in (name for layer in drawn.layers for name in layer):
        package = drawn.packages[name]
        found.append((f'``{package.title}``', str(package.files), f'{package.lines:,}',
                      package.purpose.replace('*', r'\*').replace('`', r'\`'),
                      ', '.join(sorted(other.rpartition('.')[2] for other in package.imports))))
    return rows(found, '14 7 8 40 31')


def write(folder: pathlib.Path) -> None:
    """Write map.rst and its pictures; a file that is the same is left alone."""
    drawn = maps()
    for name, text in (('map.rst', page(drawn)), *((each.picture, svg(each)) for each in drawn)):
        target = folder / name
        # Sphinx goes by the time of a file.
        if not target.exists() or target.read_text() != text:
            target.write_text(text)


if __name__ == '__main__':
    write(pathlib.Path(sys.argv[1]))
