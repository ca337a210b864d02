# SPDX-License-Identifier: Apache-2.0
"""The API as a WSGI application, for the built-in server and for external ones."""
import os
import warnings

# oslo.messaging imports eventlet even if nothing uses it, and eventlet warns about itself.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
# oslo.messaging imports eventlet, which imports dnspython for name resolution. It takes a fifth of
# a second of every start, and nothing here uses it.
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')
