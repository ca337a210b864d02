# SPDX-License-Identifier: Apache-2.0
"""What the drivers of object stores have in common: connections, retries, uploads, downloads."""
