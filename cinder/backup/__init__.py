# SPDX-License-Identifier: Apache-2.0
"""Backups: the service that copies volumes to a store and back, the format of the copies, and the
drivers of the stores."""
