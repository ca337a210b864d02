# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG, drawn here: they take their colours from the style sheet, so they are dark where the
page is, and a text says to all what they show. A library for charts would bring colours and scripts
of its own."""
import html
from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT = 200, 14
# Shares from which a bar warns, and alarms.
NEAR, FULL = 0.8, 0.95


class Markup(str):
    """Text that the templates do not escape."""

    def __html__(self) -> str:
        return self


def level(share: float) -> str:
    """Return the class of a share: 'good', 'near' or 'full'."""
    return 'full' if share >= FULL else 'near' if share >= NEAR else 'good'


def bar(share: float | None, label: str, kind: str = '') -> Markup:
    """Return a bar.

    :param share: filled part, 0 to 1; None: unknown
    :param label: what it shows, for those who do not see it
    :param kind: class of the filled part; by default that of the share
    """
    if share is None:
        return _svg(label, [])
    share = min(max(share, 0.0), 1.0)
    return _svg(label, [(0, share, kind or level(share))])


def pool_bar(pool: Mapping[str, Any]) -> Markup:
    """Return the bar of a pool: used space, and the reserve that stays free at its end."""
    label = f'{pool["used"]:.0%} used, {pool["reserved"]:.0%} reserved'
    return _svg(label, [(0, pool['used'], level(pool['used'])),
                        (1 - pool['reserved'], pool['reserved'], 'reserve')])


def _svg(label: str, parts: list[tuple[float, float, str]]) -> Markup:
    drawn = ''.join(
        f'<rect class="{kind}" x="{start * WIDTH:.1f}" width="{share * WIDTH:.1f}" '
        f'height="{HEIGHT}"/>' for start, share, kind in parts if share > 0)
    label = html.escape(label)
    return Markup(
        f'<svg class="bar" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none"><title>{label}</title>'
        f'<rect class="track" width="{WIDTH}" height="{HEIGHT}"/>{drawn}</svg>')
