# SPDX-License-Identifier: Apache-2.0
"""The API as a WSGI application, for our own server and for others."""
import warnings

# oslo.messaging imports eventlet even where nothing uses it, and eventlet warns of itself.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
