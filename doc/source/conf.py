# SPDX-License-Identifier: Apache-2.0
"""Settings of Sphinx: plain pages, no extensions, so that the environment stays small. The pages
about the API, its policies and what runs as root are written here, from the tables that the service
runs by; the map of the code from its imports."""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from cinder.api.v3 import router  # noqa: E402 - found through the line above
from tools import api_page, code_map, policy_page, privileges_page  # noqa: E402

project = 'Cinder'
copyright = 'the Cinder authors'
extensions = []
html_theme = 'alabaster'
html_show_sourcelink = False
nitpicky = True


def _write_pages(_app: object) -> None:
    for name, text in (('api', api_page.page(router.ROUTES)), ('policy', policy_page.page()),
                       ('privileges', privileges_page.page())):
        target = HERE / f'{name}.rst'
        # Left alone when it is the same: Sphinx goes by the time of a file.
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    code_map.write(HERE)


def setup(app: object) -> None:
    app.connect('builder-inited', _write_pages)
