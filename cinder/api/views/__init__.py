# SPDX-License-Identifier: Apache-2.0
"""Answers by resource: tables of fields; base.py turns a table into a fast function."""
