# SPDX-License-Identifier: Apache-2.0
"""The API as a WSGI application, for our own server and for others."""
import os
import warnings

# oslo.messaging imports eventlet even where nothing uses it, and eventlet warns of itself.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
# oslo.messaging imports eventlet, and that dnspython: a fifth of a second of every start, for a way
# to look up names that nothing here uses.
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')
