# SPDX-License-Identifier: Apache-2.0
"""Storage that is attached to this host."""
