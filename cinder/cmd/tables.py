# SPDX-License-Identifier: Apache-2.0
"""How cinder-manage prints: tables, and errors."""
import sys
from collections.abc import Iterable, Sequence


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their titles, in columns; None is an empty cell."""
    lines = [titles, *([('' if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print('  '.join(cell.ljust(width)
                        for cell, width in zip(line, widths, strict=True)).rstrip())


def complain(text: object, status: int) -> int:
    """Print an error; return the exit status."""
    print(text, file=sys.stderr)
    return status
