# SPDX-License-Identifier: Apache-2.0
"""The life of a back end: its driver, how it starts, its health, exports, audit and statistics."""
