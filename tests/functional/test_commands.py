# SPDX-License-Identifier: Apache-2.0
"""Console scripts of operators as programs; tests/unit/cmd has their parts."""
import json
import re

from tests.functional.daemon import PROJECT, sync


def test_the_usage_audit_tells_what_exists(daemon, clean):
    api = daemon('api', osapi_volume_workers=1)
    api.sections['oslo_messaging_notifications'] = {'driver': 'log'}
    api.write()
    sync(api)
    api.begin()
    made = json.loads(api.ask(f'/v3/{PROJECT}/volumes', 'POST', {'volume': {'size': 3}})[1])
    assert api.end() == 0

    def audit(*words):
        return clean.run('from cinder.cmd import volume_usage_audit; volume_usage_audit.main()',
                         '--config-file', str(api.path), *words)
    wide = ('--start_time', '2020-01-01 00:00:00', '--end_time', '2099-01-01 00:00:00')
    done = audit(*wide, '--send_actions')
    told = re.findall(r'notification\.(\S+) \[.*?\] (\{.*\})', done.stderr + done.stdout)
    assert done.returncode == 0, done.stderr
    assert [event for event, _body in told] == ['volume.exists', 'volume.create.start',
                                                'volume.create.end']
    assert {json.loads(body)['payload']['volume_id'] for _event, body in told} == {
        made['volume']['id']}
    done = audit('--start_time', 'soon')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert "--start_time is 'soon'; expected YYYY-MM-DD hh:mm:ss" in done.stderr
