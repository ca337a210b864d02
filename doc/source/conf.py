# SPDX-License-Identifier: Apache-2.0
"""Settings of Sphinx: plain pages, no extensions, so that the environment stays small."""

project = 'Cinder'
copyright = 'the Cinder authors'
extensions = []
html_theme = 'alabaster'
html_show_sourcelink = False
nitpicky = True
