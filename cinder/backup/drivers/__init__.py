# SPDX-License-Identifier: Apache-2.0
"""Drivers of backup stores, under the class paths of the original."""
