# SPDX-License-Identifier: Apache-2.0
"""The page with a login, as a browser meets it: an API of two workers and the Keystone that the
other tests ask. What the page shows of what is left to tests/api/test_dashboard.py."""

import html.parser
import time

import pytest
import requests

from tests.functional import keystone
from tests.functional.processes import Process, free_port, listens, running, wait_until
from tests.functional.suite import render, script

WORKERS = 2
# Tries of an address.
TRIES = 10


class Form(html.parser.HTMLParser):
    """The hidden field of a form, and what the page says to its reader."""

    def __init__(self, text):
        super().__init__()
        self.sealed, self.told, self._tells = None, '', False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('name') == 'form':
            self.sealed = attrs['value']
        self._tells = attrs.get('role') == 'alert'

    def handle_data(self, text):
        self.told += text.strip() if self._tells else ''


class Person:
    """Somebody with a browser, who closes the connection after each request."""

    def __init__(self, url, **headers):
        self.url, self.session = url, requests.Session()
        self.session.headers.update({'Connection': 'close', **headers})

    def get(self, path=''):
        return self.session.get(self.url + path, timeout=30, allow_redirects=False)

    def post(self, path, **fields):
        return self.session.post(self.url + path, fields, timeout=30, allow_redirects=False)

    def log_in(self, **fields):
        return self.post('/login', form=Form(self.get('/login').text).sealed, **fields)

    def with_password(self, user, password=keystone.PASSWORD, project='own'):
        return self.log_in(user=user, password=password, project=project)

    def cookie(self):
        """The cookie of the login; None without one."""
        return next((each for each in self.session.cookies if each.name == 'cinder_session'), None)

    def sees(self):
        """The text of the page."""
        answer = self.get()
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope='module')
def failed(guarded):
    """Project -> id of a volume that no back end could take."""
    admin = guarded.client('project-admin')
    kind = admin.post('types', {'volume_type': {
        'name': 'nowhere', 'extra_specs': {'volume_backend_name': 'nowhere'}}})['volume_type']['id']
    found = {}
    members = {'own': guarded.client('member'), 'other': guarded.client('other-member')}
    for project, client in members.items():
        found[project] = client.create_volume(1, volume_type=kind)['id']
        client.wait_for_status('volume', found[project], 'error')
    yield found
    # The suites of others take the newest type.
    for project, client in members.items():
        client.delete(f'volumes/{found[project]}', expect=202)
        client.wait_gone('volume', found[project])
    admin.delete(f'types/{kind}', expect=202)


@pytest.fixture(scope='module')
def url(guarded, tmp_path_factory):
    guarded.ensure_running()
    folder, port = tmp_path_factory.mktemp('page'), free_port()
    groups = guarded.configuration(guarded.nodes[0])
    for group, values in {
            'DEFAULT': {'osapi_volume_listen_port': port, 'osapi_volume_workers': WORKERS},
            'oslo_middleware': {'enable_proxy_headers_parsing': True},
            # Without a session_key: the workers of a process share one that it makes.
            'dashboard': {'enabled': True}}.items():
        groups[group] = groups.get(group, {}) | values
    config = folder / 'cinder.conf'
    config.write_text(render(groups))
    process = Process('cinder-api with a page', [script('cinder-api'), '--config-file', config],
                      folder / 'api.log', guarded.environment())
    with running(process, lambda: listens(port)):
        yield f'http://127.0.0.1:{port}/dashboard'
    log = process.log.read_text()
    assert 'Traceback' not in log and keystone.PASSWORD not in log and 'gAAAA' not in log


@pytest.mark.parametrize(('user', 'project', 'seen', 'of_all'), [
    ('project-admin', 'own', {'own', 'other'}, True), ('other-admin', 'other', {'own', 'other'},
                                                       True),
    ('member', 'own', {'own'}, False), ('reader', 'own', {'own'}, False),
    ('other-reader', 'other', {'other'}, False)])
@pytest.mark.parametrize('with_token', [False, True], ids=['password', 'token'])
def test_who_sees_what(url, failed, guarded, user, project, seen, of_all, with_token):
    person = Person(url)
    if with_token:
        # A user has a token for one project; who gives a token needs no more.
        answer = person.log_in(token=guarded.keystone.token(user))
    else:
        answer = person.with_password(user, project=project)
    assert (answer.status_code, answer.headers['Location']) == (303, '/dashboard')
    text = person.sees()
    assert {name for name, ident in failed.items() if ident in text} == seen
    for section in ('services', 'pools', 'projects'):
        assert (f'id="{section}"' in text) == of_all
    assert guarded.keystone.projects[project] in text
    assert ('node1' in text) == of_all


def test_a_login_is_one_of_all_workers_until_the_logout(url, guarded):
    person = Person(url)
    assert person.get().headers['Location'] == '/dashboard/login'
    answer = person.with_password('member')
    text = answer.headers['Set-Cookie']
    cookie = person.cookie()
    assert (cookie.path, cookie.secure) == ('/dashboard', False)
    assert 'HttpOnly' in text and 'SameSite=Strict' in text and 'gAAAA' in cookie.value
    for _connection in range(10):
        person.sees()
    thief = Person(url, Cookie=f'{cookie.name}={cookie.value}')
    thief.sees()
    assert person.post('/logout').headers['Location'] == '/dashboard/login'
    assert person.cookie() is None and person.get().status_code == 303
    # The token of the login ends with it: so does a copy of the cookie, but for what is cached.
    wait_until(lambda: thief.get().status_code == 303, keystone.CACHE_SECONDS + 2,
               'the copy of the cookie to open nothing')


def test_a_token_of_the_caller_is_not_revoked(url, guarded):
    token = guarded.keystone.token('member')
    person = Person(url)
    person.log_in(token=token)
    person.sees()
    person.post('/logout')
    time.sleep(keystone.CACHE_SECONDS + 0.5)
    assert guarded.client('member', token=token).request('GET', 'volumes').status == 200


def test_a_token_that_is_revoked_meanwhile(url, guarded):
    token = guarded.keystone.token('member')
    person = Person(url)
    assert person.log_in(token=token).status_code == 303
    person.sees()
    guarded.keystone.revoke(token)
    answer = wait_until(lambda: next((each for each in [person.get()] if each.status_code == 303),
                                     None), keystone.CACHE_SECONDS + 2, 'the end of the token')
    assert answer.headers['Location'] == '/dashboard/login?ended=1' and person.cookie() is None
    assert Form(person.get('/login?ended=1').text).told == 'The login has ended. Log in again.'


def test_a_token_that_has_ended(url, guarded):
    token, made = guarded.keystone.short_lived('member', 1)
    time.sleep(max(0, made + 1.5 - time.monotonic()))
    person = Person(url)
    answer = person.log_in(token=token)
    assert (answer.status_code, person.cookie()) == (401, None)
    assert Form(answer.text).told == 'The token is wrong, or it has expired.'


def test_behind_a_proxy_with_tls_the_cookie_is_secure(url):
    person = Person(url, **{'X-Forwarded-Proto': 'https'})
    form = person.get('/login')
    kept = {each.name: each for each in person.session.cookies}
    assert kept['cinder_form'].secure
    # Over HTTP the library keeps it to itself, as a browser does.
    answer = person.post('/login', form=Form(form.text).sealed)
    assert answer.status_code == 403
    person.session.headers['Cookie'] = f'cinder_form={kept["cinder_form"].value}'
    answer = person.post('/login', form=Form(form.text).sealed, user='member', project='own',
                         password=keystone.PASSWORD)
    assert (answer.status_code, person.cookie().secure) == (303, True)


@pytest.mark.parametrize(('origin', 'status'), [
    (None, 303), ('null', 303), ('http://evil.example', 403)])
def test_the_form_of_another_site(url, origin, status):
    person = Person(url, **({'Origin': origin} if origin else {}))
    answer = person.with_password('member')
    assert (answer.status_code, person.cookie() is None) == (status, status != 303)
    # A form without the cookie of the browser that got it, and one that nobody got.
    for sealed in (Form(Person(url).get('/login').text).sealed, 'x', ''):
        answer = person.post('/login', form=sealed, user='member', project='own',
                             password=keystone.PASSWORD)
        assert answer.status_code == 403 and 'too old' in answer.text


@pytest.mark.parametrize('fields', [
    {'password': 'wrong'}, {'user': 'nobody'}, {'project': 'other'}, {'project': 'nothing'},
    {'user_domain': 'nowhere'}], ids=str)
def test_a_wrong_login_says_so_and_not_what_was_wrong(url, fields):
    person = Person(url, **{'X-Forwarded-For': '192.0.2.1'})
    answer = person.log_in(**{'user': 'member', 'password': keystone.PASSWORD, 'project': 'own',
                              **fields})
    assert (answer.status_code, person.cookie()) == (401, None)
    assert Form(answer.text).told == 'User, password or project is wrong.'


def test_wrong_logins_are_bounded_over_all_workers(url):
    """Those of one address: others can still log in."""
    person = Person(url, **{'X-Forwarded-For': '192.0.2.2'})
    began = time.monotonic()
    answers = [person.with_password('member', 'wrong') for _try in range(TRIES + 3)]
    assert {answer.status_code for answer in answers[:TRIES]} == {401}
    if time.monotonic() - began < 5:
        assert {answer.status_code for answer in answers[TRIES:]} == {429}
    late = next(answer for answer in answers if answer.status_code == 429)
    assert int(late.headers['Retry-After']) >= 1
    assert Form(late.text).told.startswith('Too many logins have failed. Try again in ')
    other = Person(url, **{'X-Forwarded-For': '192.0.2.3'})
    assert other.with_password('member').status_code == 303


def test_keystone_is_away(url, guarded):
    person, new = Person(url), Person(url)
    person.with_password('member')
    person.sees()
    form = Form(new.get('/login').text).sealed
    guarded.keystone.kill9()
    try:
        answer = new.post('/login', form=form, user='member', project='own',
                          password=keystone.PASSWORD)
        assert (answer.status_code, new.cookie()) == (503, None)
        assert answer.headers['Content-Type'].startswith('text/html')
        # The session is not lost: it goes on when Keystone is there again.
        assert person.get().status_code in (200, 503) and person.cookie()
    finally:
        guarded.keystone.start()
    wait_until(lambda: person.get().status_code == 200, 20, 'the page')
