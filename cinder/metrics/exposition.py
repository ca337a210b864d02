# SPDX-License-Identifier: Apache-2.0
"""Reads the files of all processes and writes the text format of Prometheus. The collector of the
library makes objects of each value of each process, which takes several times as long."""
import collections
import contextlib
import functools
import glob
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from prometheus_client import mmap_dict, utils

from cinder.metrics import table

_TYPES = {table.COUNTER: 'counter', table.HISTOGRAM: 'histogram'}
_BUCKET = '_bucket'
Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """A value of all processes; `bound` is the upper bound of a bucket, whose value includes those
    of the smaller ones."""

    name: str
    labels: Labels
    value: float
    bound: float | None = None


def read(directory: str) -> dict[str, list[Sample]]:
    """Return metric of the table -> its samples."""
    found: dict[str, list[Sample]] = collections.defaultdict(list)
    for key, value in _merged(directory).items():
        metric, name, labels, bound = _parsed(key)
        found[metric].append(Sample(name, labels, value, bound))
    return {metric: list(_accumulated(samples)) if metric in table.METRICS
            and table.METRICS[metric].kind == table.HISTOGRAM else samples
            for metric, samples in found.items()}


def _merged(directory: str) -> dict[str, float]:
    """Return the keys of the files -> the sum of the processes, or the value that was set last."""
    sums: dict[str, float] = collections.defaultdict(float)
    latest: dict[str, tuple[float, float]] = {}
    for path in glob.glob(os.path.join(glob.escape(directory), '*.db')):
        is_latest = os.path.basename(path).startswith(f'gauge_{table.LATEST}_')
        # The gauges of a process are removed when it has ended.
        with contextlib.suppress(FileNotFoundError):
            for key, value, at in _values(path):
                if not is_latest:
                    sums[key] += value
                elif key not in latest or latest[key][0] < at:
                    latest[key] = at, value
    return sums | {key: value for key, (_at, value) in latest.items()}


def _values(path: str) -> Iterator[tuple[str, float, float]]:
    """Yield key, value and time of the values of a file; a file without space has none."""
    if os.path.getsize(path):
        for key, value, at, _place in mmap_dict.MmapedDict.read_all_values_from_file(path):
            yield key, value, at


@functools.lru_cache(20_000)
def _parsed(key: str) -> tuple[str, str, Labels, float | None]:
    """Return metric, name of the sample, labels without that of a bucket, and its bound."""
    _family, name, labels, _help = json.loads(key)
    bound = labels.pop('le', None)
    metric = next((name.removesuffix(end) for end in (_BUCKET, '_sum', '_count')
                   if name.removesuffix(end) in table.METRICS), name)
    return metric, name, tuple(sorted(labels.items())), None if bound is None else float(bound)


def _accumulated(samples: list[Sample]) -> Iterator[Sample]:
    """Yield the samples of a histogram: in the files, each bucket has only its own values, and
    there is no count."""
    by_labels: dict[Labels, list[Sample]] = collections.defaultdict(list)
    for sample in samples:
        by_labels[sample.labels].append(sample)
    for labels, group in by_labels.items():
        total, name = 0.0, ''
        for sample in sorted(group, key=lambda each: each.bound or 0.0):
            if sample.bound is None:
                yield sample
            else:
                total, name = total + sample.value, sample.name
                yield sample._replace(value=total)
        if name:
            yield Sample(name.removesuffix(_BUCKET) + '_count', labels, total)


def render(directory: str) -> bytes:
    """Return all values in the text format of Prometheus."""
    found, lines = read(directory), []
    for metric, row in table.METRICS.items():
        if metric in found:
            lines += [f'# HELP {metric} {row.help}',
                      f'# TYPE {metric} {_TYPES.get(row.kind, "gauge")}',
                      *map(_line, found[metric])]
    return '\n'.join([*lines, '']).encode()


def _line(sample: Sample) -> str:
    labels = _text(sample.labels, sample.bound)
    return f'{sample.name}{labels} {utils.floatToGoString(sample.value)}'


@functools.lru_cache(20_000)
def _text(labels: Labels, bound: float | None) -> str:
    shown: list[tuple[str, Any]] = [
        (name, value.replace('\\', r'\\').replace('\n', r'\n').replace('"', r'\"'))
        for name, value in labels]
    if bound is not None:
        shown.append(('le', utils.floatToGoString(bound)))
    return '{' + ','.join(f'{name}="{value}"' for name, value in shown) + '}' if shown else ''
