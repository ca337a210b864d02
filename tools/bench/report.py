# SPDX-License-Identifier: Apache-2.0
"""The table that the benchmark ends with, for a terminal and for doc/."""

import argparse
import dataclasses
import os
import pathlib
import platform


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table.

    :param value: what was measured, in `unit`
    :param bound: what it must not exceed; None is for information
    :param least: the bound is a lower one
    """

    what: str
    value: float
    unit: str
    bound: float | None = None
    least: bool = False

    @property
    def verdict(self) -> str:
        if self.bound is None:
            return ''
        kept = self.value >= self.bound if self.least else self.value <= self.bound
        return 'kept' if kept else 'MISSED'

    def cells(self) -> tuple[str, str, str, str]:
        sign = '>=' if self.least else '<='
        bound = '' if self.bound is None else f'{sign} {self.bound:g}'
        return self.what, f'{self.value:.4g} {self.unit}', bound, self.verdict


HEADINGS = ('figure', 'measured', 'bound', '')


def parser(doc: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark.

    :param doc: its first paragraph is the description
    """
    made = argparse.ArgumentParser(description=doc.partition('\n\n')[0])
    made.add_argument('--rst', type=pathlib.Path, metavar='FILE',
                      help='also write the table there, for doc/')
    return made


def show(title: str, figures: list[Figure], path: pathlib.Path | None) -> None:
    """Print the table, and write it to a file if one was named."""
    print(text(title, figures))
    if path:
        path.write_text(rst(title, figures))


def machine() -> str:
    """Return processors and Python of this machine, which every figure depends on."""
    model = ''
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            model = ' '.join(line.partition(':')[2].split())
            break
    return f'{os.cpu_count()} x {model or platform.machine()}, Python {platform.python_version()}'


def text(title: str, figures: list[Figure]) -> str:
    """Return the table for a terminal."""
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]
    return '\n'.join([title, '', lines[0], '-' * max(map(len, lines)), *lines[1:]])


def rst(title: str, figures: list[Figure]) -> str:
    """Return the table as reStructuredText."""
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [HEADINGS, *(figure.cells() for figure in figures)]:
        for index, cell in enumerate(row):
            lines.append(f'   {"* -" if index == 0 else "  -"} {cell}'.rstrip())
    return '\n'.join(lines) + '\n'
