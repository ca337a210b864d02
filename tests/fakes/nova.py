# SPDX-License-Identifier: Apache-2.0
"""A compute service in a process of its own: `python -m tests.fakes.nova PORT ENDPOINT MODE_FILE`.

It does with the volumes of a server what the real one does when it is asked to swap one, in its
order: reserve the new one, answer, connect it, copy, drop the old attachment, tell how it ended,
complete the new one. What it is told of events is in the file `events` beside. The file says
how it behaves now: 'copy', 'slow' (copies after some seconds),
'refuse', 'silent' (takes the request and says nothing), 'fail' (the copy fails), 'hang' (begins and
never ends).
"""
import http.server
import json
import pathlib
import re
import sys
import threading
import time
import traceback

from tests.functional.client import Client
from tools.initiator import CONNECTOR, Device

SLOW_SECONDS = 4
ATTACHMENT = re.compile(r'/v2\.1/servers/([^/]+)/os-volume_attachments/([^/]+)')
MEBIBYTES = 8


class Compute(http.server.BaseHTTPRequestHandler):
    """What is asked of it."""

    cinder: Client
    mode_file: pathlib.Path

    def do_GET(self):
        self._answer(404, {'itemNotFound': {'code': 404, 'message': 'not asked for by its test'}})

    def do_PUT(self):
        asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        server, old = ATTACHMENT.fullmatch(self.path).groups()
        new, mode = asked['volumeAttachment']['volumeId'], self.mode_file.read_text()
        if mode == 'silent':
            self.close_connection = True
            return
        if mode == 'refuse':
            self._answer(409, {'conflictingRequest': {'code': 409, 'message': 'server is busy'}})
            return
        had = self.cinder.get(f'attachments?volume_id={old}&instance_id={server}')['attachments']
        self.cinder.action(old, 'os-begin_detaching', expect=202)
        made = self.cinder.post('attachments', {'attachment': {
            'volume_uuid': new, 'instance_uuid': server}})['attachment']['id']
        threading.Thread(target=self._swap, args=(old, new, had[0]['id'], made, mode)).start()
        self.send_response(202)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        assert self.path == '/v2.1/os-server-external-events', self.path
        with self.mode_file.with_name('events').open('a') as file:
            file.writelines(json.dumps(event) + '\n' for event in asked['events'])
        self._answer(200, {'events': [{**event, 'code': 200} for event in asked['events']]})

    def _swap(self, old, new, former, made, mode):
        if mode == 'hang':
            return
        cinder, failed = self.cinder, not self._copy(former, made, mode)
        cinder.delete(f'attachments/{made if failed else former}')
        saved = cinder.action(old, 'os-migrate_volume_completion', {
            'new_volume': new, 'error': failed}, expect=200)['save_volume_id']
        assert failed or saved == old, saved
        if not failed:
            cinder.post(f'attachments/{made}/action', {'os-complete': {}}, expect=204)

    def _copy(self, former, made, mode):
        try:
            source = self.cinder.show('attachment', former)['connection_info']
            place = self.cinder.put(f'attachments/{made}', {'attachment': {
                'connector': CONNECTOR}})['attachment']['connection_info']
            if mode == 'slow':
                time.sleep(SLOW_SECONDS)
            if mode != 'fail':
                Device(place).write(Device(source).read(MEBIBYTES))
            return mode != 'fail'
        except (OSError, AssertionError):
            traceback.print_exc()
            return False

    def _answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def main():
    port, endpoint, mode_file = sys.argv[1:]
    # A service token: only compute services may take an attachment away.
    Compute.cinder = Client(endpoint, user='nova')
    Compute.mode_file = pathlib.Path(mode_file)
    http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), Compute).serve_forever()


if __name__ == '__main__':
    main()
