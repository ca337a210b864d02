# SPDX-License-Identifier: Apache-2.0
"""Responses by resource: tables of fields, which base.py compiles to functions."""
