# SPDX-License-Identifier: Apache-2.0
"""/dashboard: what it shows to whom, its login, and that a browser cannot be led to misuse it."""
import html.parser
import re
import urllib.parse
import uuid

import pytest
import webob
from cryptography import fernet
from paste import deploy

from cinder import context, exception, metrics, objects
from cinder.api.dashboard import Page, charts, data, errors, front, identity, latency, session
from cinder.api.dashboard import html as pages
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.db import services
from cinder.db import session as db_session
from cinder.metrics import table
from cinder.rpc import scheduler
from tests.api.client import PASTE, PROJECT
from tests.fakes import daemons as fake_daemons
from tests.fakes import measured
from tests.fakes.daemons import ADMIN

OTHER = 'f' * 32
CAPABILITIES = {'total_capacity_gb': 100.0, 'free_capacity_gb': 4.0, 'reserved_percentage': 2,
                'provisioned_capacity_gb': 1234.5, 'metadata_percent': 83.0, 'full_in_days': 3.0,
                'pool_refusal': 'its data is 96.0 % full'}


class Reader(html.parser.HTMLParser):
    """Tables by the id of their heading: lists of the texts of cells, and all tags."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self._heading, self._cell = {}, [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == 'h2':
            self._heading = self.tables.setdefault(dict(attrs)['id'], [])
        elif tag == 'tr':
            self._heading.append([])
        elif tag in ('td', 'th'):
            self._cell = []

    def handle_endtag(self, tag):
        if tag in ('td', 'th'):
            self._heading[-1].append(' '.join(''.join(self._cell).split()))
            self._cell = None

    def handle_data(self, text):
        if self._cell is not None:
            self._cell.append(text)


class Browser:
    """Keeps cookies, and sends requests to an application."""

    def __init__(self, application, headers=None, host='localhost'):
        self.application, self.cookies, self.host = application, {}, host
        self.headers = headers or {}

    def send(self, method, path, fields=None, **headers):
        request = webob.Request.blank(path, method=method, base_url=f'http://{self.host}')
        if fields is not None:
            request.body = urllib.parse.urlencode(fields).encode()
            request.content_type = 'application/x-www-form-urlencoded'
        request.headers.update({**self.headers, **headers})
        if self.cookies:
            request.headers['Cookie'] = '; '.join(f'{k}={v}' for k, v in self.cookies.items())
        response = request.get_response(self.application)
        for line in response.headers.getall('Set-Cookie'):
            name, _equal, value = line.partition(';')[0].partition('=')
            self.cookies[name] = value
            if 'Max-Age=0' in line:
                del self.cookies[name]
        return response

    def page(self, path='/dashboard'):
        response = self.send('GET', path)
        assert response.status_int == 200, response.text
        return Reader(response.text)


def application(**options):
    """The application of the paste file with these options; Keystone's filter is left out."""
    for name, value in {'enabled': True, **options}.items():
        CONF.set_override(name, value, 'dashboard')
    return deploy.loadapp(f'config:{PASTE}', name='osapi_volume')


@pytest.fixture(autouse=True)
def fresh(api, monkeypatch):
    data.cached.clear()
    monkeypatch.setattr(services, 'pick', lambda _ctxt, _binary: True)
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', lambda *_args, **_kwargs: [
        {'name': 'a@lvm#lvm', 'capabilities': CAPABILITIES}])
    yield
    for option in ('enabled', 'session_key', 'session_seconds', 'refresh_seconds'):
        CONF.clear_override(option, 'dashboard')


@pytest.fixture
def operator():
    """A browser of this host, with noauth."""
    return Browser(application())


@pytest.fixture
def tenant(operator):
    return Browser(operator.application, {'X-Auth-Token': f'u:{PROJECT}', 'X-Roles': 'member'})


def operation(project, verb='volume.create', state='running', **columns):
    """Put an operation on a volume of a project into the journal; return the id of the volume."""
    ident = str(uuid.uuid4())
    row = operations_db.create(ADMIN, verb, objects.Volume(id=ident, project_id=project),
                               stage='execute', host='a@lvm')
    with db_session.writer(ADMIN) as conn:
        conn.execute(operations_db._T.update().where(operations_db._T.c.id == row.id).values(
            state=state, **columns))
    return ident


# ------------------------------------------------------------------------------------ content
def test_services_with_trouble_come_first(operator):
    for host, reason in (('a@up', None), ('b@lvm', services.DOWN + 'no volume group vg')):
        row = services.create(ADMIN, {'host': host, 'binary': 'cinder-volume', 'topic': 't'})
        services.update(ADMIN, row.id, {'updated_at': db_session.in_seconds(
            -900 if reason else 0), 'disabled_reason': reason})
    rows = operator.page().tables['services'][1:]
    assert [row[1:3] + row[4:] for row in rows] == [
        ['b@lvm', 'failing', 'no volume group vg'], ['a@up', 'up', '']]


def test_pools_have_fill_and_forecast(operator):
    page = operator.page()
    assert page.tables['pools'][1] == [
        'a@lvm#lvm', '96% used, 2% reserved 96 %', '4 of 100', '1,234.5',
        '83 % of the metadata used 83 %', 'in 3 d', 'its data is 96.0 % full']
    drawn = [attrs['class'] for tag, attrs in page.tags if tag == 'rect']
    assert drawn[:5] == ['track', 'full', 'reserve', 'track', 'near']


def test_a_scheduler_that_does_not_answer_is_named(operator, monkeypatch):
    def fail(*_args, **kwargs):
        assert kwargs['timeout'] == data.SCHEDULER_SECONDS
        raise exception.RPCTimeout()
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', fail)
    assert 'No scheduler answers' in operator.send('GET', '/dashboard').text


def test_without_a_scheduler_nobody_is_asked(operator, monkeypatch):
    monkeypatch.setattr(services, 'pick', lambda _ctxt, _binary: None)
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', None)
    assert 'No scheduler is up' in operator.send('GET', '/dashboard').text


def test_operations_have_progress_and_what_they_wait_for(operator):
    copied = operation(PROJECT, 'backup.create', progress_done=25, progress_total=100)
    waiting = operation(PROJECT, 'volume.delete', 'queued',
                        lease_until=db_session.in_seconds(60),
                        arguments='{"waiting": {"for": "clients that have it open"}}')
    rows = operator.page().tables['operations'][1:]
    assert [row[:-1] for row in rows] == [
        ['backup.create', f'backup {copied}', PROJECT, 'a@lvm', 'running', '25 % done 25 %'],
        ['volume.delete', f'volume {waiting}', PROJECT, 'a@lvm',
         'waiting for clients that have it open', '']]


def test_failures_have_their_reasons(operator):
    ident = operation(PROJECT, state='failed', error='No pool <has> the space.',
                      finished_at=db_session.in_seconds(-130))
    operation(PROJECT, state='failed', error='old', finished_at=db_session.in_seconds(-90000))
    row, = operator.page().tables['failures'][1:]
    assert row == ['volume.create', f'volume {ident}', PROJECT, 'No pool <has> the space.',
                   '2 min ago']
    assert '<has>' not in operator.send('GET', '/dashboard').text


def test_largest_projects_and_times(operator, tmp_path, daemons):
    fake_daemons.volume(PROJECT, name='one')
    page = operator.page()
    assert page.tables['projects'][1][0] == PROJECT
    assert '[metrics] enabled' in operator.send('GET', '/dashboard').text
    data.cached.clear()
    with measured.counted(tmp_path) as counted:
        for seconds in (0.02, 0.02, 0.02, 0.3):
            metrics.observe(latency.NAME, seconds, '/volumes', 'GET')
        assert counted.value(f'{latency.NAME}_count', route='/volumes', method='GET') == 4
        row = operator.page().tables['latency'][1]
    assert (row[0], row[-1]) == ('GET /volumes', '4')
    assert row[2].endswith(' ms') and row[3].endswith(' ms')


def test_errors_are_counted_and_refusals_are_not(operator, tmp_path):
    with measured.counted(tmp_path):
        for code in ('200', '404', '503', '503'):
            metrics.count('cinder_api_requests_total', '/volumes', 'GET', code)
        for repaired in ('yes', 'no'):
            metrics.count('cinder_backend_findings_total', 'a@lvm', 'stray', repaired)
        assert operator.page().tables['errors'][1:] == [
            ['Requests that ended with 5xx', 'GET, /volumes, 503', '2'],
            ['Differences between rows and storage', 'a@lvm, stray', '1']]
    assert set(errors.KINDS) <= set(table.METRICS)
    assert not [name for name, kind in errors.KINDS.items()
                if not set(kind.labels) <= set(table.METRICS[name].labels)]


def test_interrupted_operations_say_so(operator):
    for attempt in (1, 2, 4):
        operation(PROJECT, attempt=attempt)
    states = [row[4] for row in operator.page().tables['operations'][1:]]
    assert sorted(states) == [
        'running', 'running, interrupted 3 times', 'running, interrupted once']


@pytest.mark.parametrize(('counts', 'share', 'seconds'), [
    ({0.1: 10, 1.0: 10, float('inf'): 10}, 0.5, 0.05),
    ({0.1: 5, 1.0: 10, float('inf'): 10}, 0.75, 0.55),
    ({0.1: 0, 1.0: 0, float('inf'): 10}, 0.5, 10),
    ({0.1: 0, 1.0: 0, float('inf'): 0}, 0.5, 0.1)])
def test_quantile(counts, share, seconds):
    assert latency.quantile(counts, share) == pytest.approx(seconds)


@pytest.mark.parametrize(('seconds', 'text'), [
    (None, 'unknown'), (0, '0 s'), (0.05, '50 ms'), (42.4, '42 s'), (600, '10 min'),
    (7200, '2 h'), (864000, '10 d')])
def test_duration(seconds, text):
    assert pages.duration(seconds) == text


# --------------------------------------------------------------------------- whose data it is
def test_a_tenant_sees_only_what_its_project_has(tenant):
    theirs = {operation(OTHER), operation(OTHER, state='failed', error='secret of others',
                                          finished_at=db_session.in_seconds(-1))}
    own = operation(PROJECT)
    text = tenant.send('GET', '/dashboard').text
    assert own in text
    assert not [each for each in (*theirs, OTHER, 'secret of others', 'a@lvm') if each in text]
    assert set(Reader(text).tables) == {'operations', 'failures', 'quotas'}


def test_a_caller_without_a_project_sees_nothing(tenant):
    operation(OTHER)
    ctxt = context.RequestContext(user_id='u', project_id=None, roles=['reader'])
    found = data.collect(ctxt)
    assert (found['operations'], found['failures'], found['quotas']) == ([], [], [])
    assert {found[name] for name in ('services', 'pools', 'projects', 'latency')} == {None}


# ------------------------------------------------------------------------------------ browser
def test_nothing_foreign_is_loaded_and_nothing_runs(operator):
    response = operator.send('GET', '/dashboard')
    policy = response.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert response.headers['Cache-Control'] == 'no-store'
    page = Reader(response.text)
    assert not [tag for tag, attrs in page.tags
                if tag == 'script' or 'style' in attrs or any(name.startswith('on')
                                                             for name in attrs)]
    assert [attrs['href'] for tag, attrs in page.tags if tag == 'link'] == ['/dashboard/style.css']
    style = operator.send('GET', '/dashboard/style.css')
    assert (style.status_int, style.content_type) == (200, 'text/css')
    assert 'url(' not in style.text and '@import' not in style.text


def test_it_loads_itself_again_unless_it_is_stopped(operator):
    CONF.set_override('refresh_seconds', 7, 'dashboard')
    assert ('meta', {'http-equiv': 'refresh', 'content': '7'}) in operator.page().tags
    assert not [attrs for tag, attrs in operator.page('/dashboard?refresh=0').tags
                if attrs.get('http-equiv')]


def test_every_bar_table_and_field_has_a_text(operator):
    operation(PROJECT, progress_done=1, progress_total=2)
    tags = operator.page().tags
    ids = {attrs['id'] for _tag, attrs in tags if 'id' in attrs}
    assert [attrs for tag, attrs in tags if tag == 'svg' and not attrs['aria-label']] == []
    assert {attrs['aria-labelledby'] for _tag, attrs in tags if 'aria-labelledby' in attrs} <= ids
    assert ('html', {'lang': 'en'}) in tags and len([tag for tag, _ in tags if tag == 'h1']) == 1


def test_each_cell_names_its_column(operator):
    """For a phone, which shows each row as a card."""
    operation(PROJECT, progress_done=1, progress_total=2)
    page = operator.page()
    columns = {name: rows[0] for name, rows in page.tables.items() if rows}
    cells = [attrs for tag, attrs in page.tags
             if tag == 'td' or tag == 'th' and attrs['scope'] == 'row']
    named = [attrs['data-label'] for attrs in cells]
    assert named == [column for name, rows in page.tables.items()
                     for _row in rows[1:] for column in columns[name]]
    assert {attrs['role'] for attrs in cells} == {'cell', 'rowheader'}


@pytest.mark.parametrize(('has', 'cells', 'words'), [
    (CAPABILITIES, ['96% used, 2% reserved 96 %', '4 of 100'], '1 pool is in trouble'),
    ({'total_capacity_gb': 'unknown', 'free_capacity_gb': 'infinite'}, ['unknown', 'unknown'],
     'No pools are in trouble'),
    ({**CAPABILITIES, 'pool_refusal': '', 'backend_state': 'down'},
     ['96% used, 2% reserved 96 %', '4 of 100'], '1 pool is in trouble')])
def test_the_first_line_says_what_is_wrong(operator, monkeypatch, has, cells, words):
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', lambda *_args, **_kwargs: [
        {'name': 'a@lvm#lvm', 'capabilities': has}])
    text = operator.send('GET', '/dashboard').text
    assert Reader(text).tables['pools'][1][1:3] == cells
    for expected in (words, 'No services are in trouble', 'No operations under way', 'No failures'):
        assert expected in text


@pytest.mark.parametrize('host', ['localhost', '127.0.0.1', 'a.localhost', '[::1]'])
def test_without_a_login_it_answers_to_loopback_names(operator, host):
    assert Browser(operator.application, host=host).send('GET', '/dashboard').status_int == 200
    evil = Browser(operator.application, host='evil.example')
    assert evil.send('GET', '/dashboard').status_int == 403


@pytest.mark.parametrize(('method', 'path', 'status'), [
    ('GET', '/dashboard/x', 404), ('POST', '/dashboard', 404), ('GET', '/dashboard/login', 404),
    ('HEAD', '/dashboard', 200)])
def test_other_requests(operator, method, path, status):
    assert operator.send(method, path).status_int == status


def test_it_is_unknown_while_it_is_off(api):
    assert api.request('GET', '/dashboard', bare=True).status == 404


def colors():
    """{'light'|'dark': {name: (red, green, blue)}} of the style sheet."""
    text = (pages.FOLDER / 'style.css').read_text()
    light, dark = (dict(re.findall(r'--(\w+): #(\w{6})', part))
                   for part in re.findall(r':root \{(.*?)\}', text, re.DOTALL))
    return {mode: {name: tuple(bytes.fromhex(value)) for name, value in found.items()}
            for mode, found in (('light', light), ('dark', dark))}


def luminance(color):
    parts = [part / 255 for part in color]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                        for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize('mode', ['light', 'dark'])
def test_contrast(mode):
    """Of WCAG 2.1, level AA: 4.5 for texts, 3 for what is drawn and for the edges of fields."""
    found = colors()[mode]
    texts = [(name, ground) for name in ('text', 'quiet', 'link', 'good', 'near', 'full')
             for ground in ('page', 'raised')]
    assert [pair for pair in texts if contrast(found[pair[0]], found[pair[1]]) < 4.5] == []
    drawn = [(name, 'page') for name in ('good', 'near', 'full', 'progress', 'reserve', 'quiet')]
    assert [pair for pair in drawn if contrast(found[pair[0]], found[pair[1]]) < 3] == []


def test_bars_are_bounded():
    assert charts.bar(2.0, 'x').count('width="200.0"') == 1
    assert '&lt;' in charts.bar(0.5, '<') and charts.bar(None, 'x').count('rect') == 1


# -------------------------------------------------------------------------------------- login
class Filter:
    """Stands for the filters of Keystone: knows two tokens."""

    KNOWN = {'good': PROJECT, 'other': OTHER}

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        project = self.KNOWN.get(environ.get('HTTP_X_AUTH_TOKEN'))
        if project is None:
            return webob.Response(json={'unauthorized': {'message': 'no'}}, status=401)(
                environ, start_response)
        environ['cinder.context'] = context.RequestContext(
            user_id='u', project_id=project, roles=['member', 'reader'])
        return self.application(environ, start_response)


@pytest.fixture
def person(monkeypatch, api):
    """A browser of a service with Keystone, which is not logged in."""
    CONF.set_override('auth_strategy', 'keystone')
    CONF.set_override('enabled', True, 'dashboard')

    def ask(fields):
        if fields['password'] != 'right':
            raise exception.NotAuthorized('User, password or project is wrong.')
        return 'good'
    monkeypatch.setattr(identity, '_ask_keystone', ask)
    revoked = []
    made = Browser(under_mount(front.Front(Filter(Page()), log_out=revoked.append)))
    made.revoked = revoked
    yield made
    CONF.clear_override('auth_strategy')


def under_mount(inner):
    def mounted(environ, start_response):
        environ['SCRIPT_NAME'] = '/dashboard'
        environ['PATH_INFO'] = environ['PATH_INFO'].removeprefix('/dashboard')
        return inner(environ, start_response)
    return mounted


def log_in(person, **fields):
    found = person.page('/dashboard/login')
    form = next(attrs['value'] for tag, attrs in found.tags if attrs.get('name') == 'form')
    fields = {'form': form, 'user': 'u', 'password': 'right', 'project': 'p', **fields}
    return person.send('POST', '/dashboard/login', fields)


def test_login_and_logout(person):
    answer = person.send('GET', '/dashboard')
    assert (answer.status_int, answer.headers['Location']) == (303, '/dashboard/login')
    answer = log_in(person)
    assert (answer.status_int, answer.headers['Location']) == (303, '/dashboard')
    cookie, = answer.headers.getall('Set-Cookie')
    for part in ('HttpOnly', 'SameSite=Strict', 'Path=/dashboard', 'Max-Age=3600'):
        assert part in cookie
    assert 'good' not in cookie and 'secure' not in cookie.lower()
    assert PROJECT in person.send('GET', '/dashboard').text
    assert person.send('POST', '/dashboard/logout').status_int == 303
    answer = person.send('GET', '/dashboard')
    assert (answer.status_int, answer.headers['Location']) == (303, '/dashboard/login')
    assert person.revoked == ['good']


def test_a_token_of_the_caller_outlives_the_logout(person):
    log_in(person, token='good', password='')
    person.send('POST', '/dashboard/logout')
    assert person.send('GET', '/dashboard').status_int == 303
    assert person.revoked == []


def test_login_with_a_token(person):
    operation(OTHER)
    own = operation(PROJECT)
    log_in(person, token='good', password='')
    assert own in person.send('GET', '/dashboard').text
    assert set(person.page().tables) == {'operations', 'failures', 'quotas'}


def test_a_login_that_has_ended_leads_to_the_form_and_says_so(person, monkeypatch):
    log_in(person)
    monkeypatch.setattr(Filter, 'KNOWN', {})
    answer = person.send('GET', '/dashboard')
    assert (answer.status_int, session.COOKIE in person.cookies) == (303, False)
    assert 'has ended' in person.send('GET', answer.headers['Location']).text
    assert 'has ended' not in person.send('GET', '/dashboard/login').text


@pytest.mark.parametrize(('fields', 'text'), [
    ({'password': 'x'}, 'password or project is wrong'), ({'user': ''}, 'are needed'),
    ({'project': 'x' * 5000}, 'more than 2800 characters'),
    ({'token': 'bad'}, 'token is wrong, or it has expired')])
def test_a_failed_login(person, fields, text):
    answer = log_in(person, **fields, project_domain='d<')
    assert (answer.status_int, text in answer.text) == (401, True)
    assert 'right' not in answer.text and session.COOKIE not in person.cookies
    assert 'bad' not in answer.text and 'value="d&lt;"' in answer.text


def test_failed_logins_are_bounded(person):
    """Those of one address: good ones count for nothing, and the good password is not tried once
    there were too many bad ones."""
    for _try in range(front.TRIES):
        assert log_in(person).status_int == 303
    for _try in range(front.TRIES):
        assert log_in(person, password='x').status_int == 401
    answer = log_in(person)
    assert (answer.status_int, session.COOKIE in person.cookies) == (429, True)
    assert 0 < int(answer.headers['Retry-After']) <= 1 / front.TRIES_RATE
    assert 'Try again in' in answer.text


def test_a_form_of_another_site_is_refused(person):
    other = Browser(person.application)
    form = session.Sessions().new_form(None)[0]
    for answer in (log_in(person, form=form), log_in(person, form=''),
                   person.send('POST', '/dashboard/login', {'user': 'u'})):
        assert answer.status_int == 403 and session.COOKIE not in person.cookies
    stolen = next(attrs['value'] for tag, attrs in other.page('/dashboard/login').tags
                  if attrs.get('name') == 'form')
    assert log_in(person, form=stolen).status_int == 403
    person.headers['Origin'] = 'http://evil.example'
    assert log_in(person).status_int == 403
    person.headers['Origin'] = 'http://localhost'
    assert log_in(person).status_int == 303


def test_another_site_cannot_log_out(person):
    log_in(person)
    person.send('POST', '/dashboard/logout', Origin='http://evil.example')
    assert person.send('GET', '/dashboard').status_int == 200


def test_a_login_ends_in_time(person):
    now = [1_000_000]
    sessions = session.Sessions(lambda: now[0])
    request, response = webob.Request.blank('/'), webob.Response()
    sessions.begin(request, response, 'token')
    cookie = response.headers['Set-Cookie'].partition(';')[0].partition('=')[2]
    request.headers['Cookie'] = f'{session.COOKIE}={cookie}'
    now[0] += 3600
    assert sessions.token(request) == 'token'
    now[0] += 1
    assert sessions.token(request) is None
    request.headers['Cookie'] = f'{session.COOKIE}=x{cookie[1:]}'
    assert sessions.token(request) is None


def test_the_cookie_is_for_https_where_the_page_is():
    request, response = webob.Request.blank('/', base_url='https://here'), webob.Response()
    session.Sessions().begin(request, response, 'token')
    assert 'secure' in response.headers['Set-Cookie']


def test_workers_of_several_hosts_share_a_key():
    CONF.set_override('session_key', fernet.Fernet.generate_key().decode(), 'dashboard')
    sealed, _secret = session.Sessions().new_form(None)
    assert session.Sessions()._open(sealed, 60)
    CONF.set_override('session_key', 'short', 'dashboard')
    with pytest.raises(exception.InvalidConfigurationValue, match='44'):
        session.Sessions()


def test_errors_are_pages(person, monkeypatch):
    log_in(person)

    def fail(_ctxt):
        raise exception.DatabaseUnavailable()
    monkeypatch.setattr(data, 'collect', fail)
    answer = person.send('GET', '/dashboard')
    assert (answer.status_int, answer.content_type) == (503, 'text/html')
    assert 'does not respond' in answer.text
