# SPDX-License-Identifier: Apache-2.0
"""Takes over the database of the original Cinder: reads it (source), says which column becomes
which (mapping, conversions), and copies in resumable batches (copy, progress)."""
