# SPDX-License-Identifier: Apache-2.0
"""Block storage for private clouds: the Block Storage API v3 and the daemons behind it."""
