# SPDX-License-Identifier: Apache-2.0
"""Encryption keys: the only package that uses a key manager, through castellan."""
