"""The page at / in a real Chromium: what an operator sees, with a mouse, a keyboard, a phone or a screen reader.

TELLTALE_PICTURES=FOLDER also keeps its pictures there: page-light.png, page-dark.png, page-phone.png."""
import contextlib
import json
import os
import re
import signal

import pytest

from support import clients, http2, peers, sockets
from support.browser import DESKTOP, PHONE, Browser
from support.ports import free_port
from support.telltale import Listener, Telltale
from support.wait import until

PICTURES = os.environ.get("TELLTALE_PICTURES")
# Before the page's own scripts: what must never happen is counted.
WATCH = """
window.seen = { violations: [], errors: [] };
addEventListener('securitypolicyviolation', (event) => seen.violations.push(event.violatedDirective + ' ' + event.blockedURI));
addEventListener('error', (event) => seen.errors.push(String(event.message)));
addEventListener('unhandledrejection', (event) => seen.errors.push(String(event.reason)));
"""


@pytest.fixture(scope="module")
def chromium():
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    chromium.emulate()
    with chromium.before_each_page(WATCH):
        yield chromium
        chromium.driver.get("about:blank")  # an idle page asks nobody: the sidecar may end


@contextlib.contextmanager
def sidecar(*listeners, metrics_port=0, grpc_port=10260, extra=""):
    """Telltale with the data set of OpenIM, in which the ports of group-rpc are those of the test."""
    extra = ("node: {name: openim-api-7c9/openim}\nregistry:\n  include: [openim]\n"
             + (f"  services: [{{name: group-rpc-service, grpc: {grpc_port}, metrics: {metrics_port}}}]\n" if metrics_port else "")
             + extra)
    with Telltale(*listeners, extra=extra) as telltale:
        yield telltale


@contextlib.contextmanager
def guide_incident():
    """The incident of the guide: a gRPC client at the HTTP/1.1 metrics port of a Go service; a second listener is well."""
    grpc_port = free_port()
    with peers.Prometheus() as metrics, peers.Echo("python") as echo:
        listeners = (Listener(metrics.target, name="group-rpc", expect="grpc"), Listener(echo.target, name="auth-rpc"))
        with sidecar(*listeners, metrics_port=metrics.port, grpc_port=grpc_port) as telltale:
            assert clients.grpc_call(telltale.listeners[1].target)[0] == "OK"
            assert clients.grpc_call(telltale.target)[0] == "UNAVAILABLE"
            yield telltale, telltale.wait_for_incident()


@contextlib.contextmanager
def closed_ports(*names, extra=""):
    """One listener for each name, with nobody behind it: each call is an incident of its own."""
    with sidecar(*(Listener(f"127.0.0.1:{free_port()}", name=name) for name in names), extra=extra) as telltale:
        yield telltale


def fail_at(telltale, name):
    listener = next(one for one in telltale.listeners if one.name == name)
    clients.grpc_call(listener.target)
    telltale.wait_for_incident(listener=name)


def url(telltale, fragment=""):
    return f"http://127.0.0.1:{telltale.admin_address[1]}/{fragment}"


def open_page(browser, telltale, fragment=""):
    browser.open(url(telltale, fragment))
    browser.wait_for_text("#ready", "ready")


def open_incident(browser, telltale, fragment=""):
    open_page(browser, telltale, fragment)
    browser.wait_for_text("#incident", "First bytes")


def assert_nothing_bad_happened(browser, telltale):
    """No script but the page's own ran, nothing was refused, nobody else was asked."""
    assert browser.run("return window.seen") == {"violations": [], "errors": []}
    assert browser.console() == []
    asked = browser.requests()
    assert asked != []
    own = re.compile(rf"{re.escape(url(telltale))}(|\?.*|page/[a-z.]+|listeners|incidents|history)(#.*)?|about:blank")
    assert [one for one in asked if not own.fullmatch(one)] == []


def bytes_of(escaped):
    """What stands behind a record's text; written apart from the page's own way."""
    assert not escaped.endswith("…")
    return escaped.encode("ascii").decode("unicode_escape").encode("latin-1")


def dumped_bytes(browser, number=0):
    return bytes.fromhex(browser.run("""return [...document.querySelectorAll('.hexdump')[arguments[0]].querySelectorAll('td.hex')]
        .map((cell) => cell.textContent).join(' ')""", number))


def rows(browser):
    """[(cause, where)] of the list, as they stand."""
    return [tuple(row) for row in browser.run("""return [...document.querySelectorAll('#list [role=option]')].map(
        (row) => [row.querySelector('.cause').textContent, row.querySelector('.where').textContent])""")]


def wait_for_rows(browser, number):
    browser.wait_for("document.querySelectorAll('#list [role=option]').length === arguments[0]", f"{number} rows", number)


# ---- what it shows

def test_a_real_incident_is_explained_with_its_fix_first_then_its_path_its_reasons_and_its_bytes(browser):
    with guide_incident() as (telltale, record):
        open_incident(browser, telltale)
        assert browser.text("#incident .explanation") == record["explanation"]
        assert record["fix"] in browser.text("#incident .fix")
        order = browser.run("""return ['.explanation', '.fix', '.path', '.evidence', '.hexdump', '#raw'].map(
            (selector) => document.querySelector('#incident ' + selector).getBoundingClientRect().top)""")
        assert order == sorted(order)
        assert browser.texts("#incident .evidence li") == record["hop"]["evidence"]
        assert browser.run("return document.querySelector('#incident .fix a').href") == record["runbook"]
        assert browser.text("#incident-title").endswith("metrics_port")
        assert "certain" in browser.text("#incident header") and "group-rpc" in browser.text("#incident header")
        hop = browser.text("#incident .columns section")
        assert "group-rpc-service" in hop and "metrics" in hop and record["hop"]["software"] in hop

        assert dumped_bytes(browser) == bytes_of(record["upstream"]["first_bytes"])
        assert dumped_bytes(browser).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        text = "".join(browser.run("return [...document.querySelectorAll('.hexdump td.text')].map((cell) => cell.textContent)"))
        assert text.startswith("HTTP/1.1 400 Bad Request··") and len(text) == len(dumped_bytes(browser))

        browser.run("document.querySelector('#raw summary').click()")
        browser.wait_for("document.querySelector('#raw').open", "the record")
        assert json.loads(browser.text("#raw pre"))["id"] == record["id"]
        assert_nothing_bad_happened(browser, telltale)


def test_the_picture_marks_the_hop_at_fault_with_a_shape_and_words_and_says_the_same_to_screen_readers(browser):
    with guide_incident() as (telltale, record):
        open_incident(browser, telltale)
        browser.wait_for("document.querySelector('svg.path')", "the picture")
        places = browser.run("return [...document.querySelectorAll('svg.path .place')].map((place) => place.dataset.place)")
        assert places == ["client", "telltale", "upstream"]
        guilty = browser.run("return [...document.querySelectorAll('svg.path .guilty')].map((place) => place.dataset.place)")
        assert guilty == ["upstream"]
        marked = browser.run("""const place = document.querySelector('svg.path .place.guilty');
            return [place.querySelectorAll('polygon').length, place.querySelectorAll('rect.inner').length, place.textContent]""")
        assert marked[:2] == [1, 1] and "AT FAULT" in marked[2] and record["upstream"]["address"] in marked[2]
        said = browser.run("return document.querySelector('svg.path').getAttribute('aria-label')")
        assert re.search(rf"client {re.escape(record['client']['address'])}.*Telltale group-rpc.*upstream "
                         rf"{re.escape(record['upstream']['address'])}.*AT FAULT", said), said
        assert "answers http/1 400" in said and "speaks http/2" in said
        assert "At fault: upstream" in browser.text(".path-figure figcaption")


def test_the_header_and_the_listeners_tell_what_is_there_and_what_both_sides_speak_now(browser):
    with peers.silent() as server, sidecar(Listener(server.target, name="quiet", expect="grpc"), extra="sniff: {silent_after: 60s}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            until(lambda: telltale.active() == 1, "the connection")
            open_page(browser, telltale)
            browser.wait_for_text("#listeners", "http/2")
            card = browser.text("#listeners .listener")
            for text in ("quiet", telltale.target, server.target, "inbound", "expects grpc", "on mismatch observe", "1 open of 1 accepted"):
                assert text in card, card
            cells = browser.run("return [...document.querySelectorAll('#listeners tbody tr')].map((row) => [row.className, ...[...row.cells].map((cell) => cell.textContent)])")
            assert len(cells) == 1 and cells[0][0] == "undecided" and cells[0][2:] == ["1", "0"], cells
            assert cells[0][1].startswith("http/2") and cells[0][1].endswith(("silent", "undecided")), cells
        for text in ("openim-api-7c9/openim", json.loads(telltale.get("/listeners")[1])["node"]["version"], "UTC"):
            assert text in browser.text("header.top"), text
        assert browser.text("#ready") == "✓ ready"
        browser.wait_for_text("#listeners", "0 open of 1 accepted")


def test_without_incidents_it_says_that_all_is_well_and_what_was_seen(browser):
    with peers.Echo("python") as echo, sidecar(Listener(echo.target, name="auth-rpc")) as telltale:
        assert clients.grpc_call(telltale.target)[0] == "OK"
        telltale.wait_for_metric(1, "telltale_connections_total", verdict="match")
        open_page(browser, telltale)
        browser.wait_for_text("#incident", "All is well")
        browser.wait_for_text("#incident", "auth-rpc: 1 × http/2 with http/2")
        assert browser.text("#list-empty") == "No incidents."
        assert "No incident in the last hour." in browser.text("#history-sum")
        assert_nothing_bad_happened(browser, telltale)


def test_counts_over_time_are_drawn_and_stand_in_a_table(browser):
    with guide_incident() as (telltale, _):
        for _ in range(4):
            clients.grpc_call(telltale.target)
        telltale.wait_for_metric(5, "telltale_incidents_total")
        open_incident(browser, telltale)
        browser.wait_for_text("#history-sum", "Incidents: 5")
        browser.wait_for("globalThis.Chart?.getChart('history-canvas')", "the chart")
        drawn = browser.run("""const chart = Chart.getChart('history-canvas');
            return chart.data.datasets.map((set) => [set.label, set.data.reduce((sum, each) => sum + each, 0), set.data.length])""")
        assert drawn == [["metrics_port", 5, 60]]
        ink = """const canvas = document.getElementById('history-canvas');
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return data.some((value, i) => i % 4 === 3 && value > 0)"""
        until(lambda: browser.run(ink), "ink on the canvas")
        browser.run("document.querySelector('#history-details summary').click()")
        browser.wait_for_text("#history-table", "metrics_port")
        cells = browser.run("return [...document.querySelectorAll('#history-table tbody td')].map((cell) => Number(cell.textContent))")
        assert sum(cells) == 5
        assert "5 times" in browser.run("return document.getElementById('history-canvas').getAttribute('aria-label')")
        browser.run("""const span = document.getElementById('history-span');
            span.value = '360'; span.dispatchEvent(new Event('change'))""")
        browser.wait_for("Chart.getChart('history-canvas').data.labels.length === 72", "six hours in spans of five minutes")
        assert_nothing_bad_happened(browser, telltale)


# ---- live

def test_incidents_arrive_while_the_page_is_open_and_leave_the_reader_where_he_is(browser):
    with closed_ports("one", "two") as telltale:
        open_page(browser, telltale)
        browser.wait_for_text("#incident", "All is well")
        fail_at(telltale, "one")
        wait_for_rows(browser, 1)
        assert "on listener one" in browser.text("#incident header")
        browser.wait_for_text("#news", "New incident: refused on one")
        fail_at(telltale, "two")
        wait_for_rows(browser, 2)
        browser.wait_for_text("#news", "New incident: refused on two")
        assert [where.split(" ")[0] for _, where in rows(browser)] == ["two", "one"], "newest first"
        assert browser.driver.title == "(2) openim-api-7c9/openim – Telltale"
        assert "on listener one" in browser.text("#incident header"), "what is read is not taken away"
        fail_at(telltale, "one")
        browser.wait_for_text("#list", "×2")
        browser.wait_for_text("#incident header", "seen 2 times")
        assert [where.split(" ")[0] for _, where in rows(browser)] == ["one", "two"]
        assert_nothing_bad_happened(browser, telltale)


def test_a_repeating_incident_takes_neither_the_focus_nor_an_open_part_from_its_reader(browser):
    with closed_ports("one") as telltale:
        fail_at(telltale, "one")
        open_incident(browser, telltale)
        browser.run("document.querySelector('#raw summary').click(); document.querySelector('#raw pre').focus()")
        before = browser.text("#raw pre")
        fail_at(telltale, "one")
        browser.wait_for_text("#incident header", "seen 2 times")
        assert browser.run("return document.activeElement === document.querySelector('#raw pre') && document.querySelector('#raw').open")
        assert browser.text("#raw pre") == before, "no words change under a reader"
        browser.run("document.activeElement.blur()")
        browser.wait_for("document.querySelector('#raw pre').innerText !== arguments[0]", "the newest record", before)
        assert browser.run("return document.querySelector('#raw').open")


def test_the_page_says_that_the_sidecar_is_gone_and_goes_on_when_it_is_back(browser):
    with closed_ports("one") as telltale:
        fail_at(telltale, "one")
        open_incident(browser, telltale)
        explanation = browser.text(".explanation")
        telltale.send_signal(signal.SIGTERM)
        assert telltale.wait() == 0
        browser.wait_for_text("#link", "Connection lost")
        assert browser.text(".explanation") == explanation, "what was known stays"
        telltale.start()
        telltale.wait_until_ready()
        browser.run("document.querySelector('#link button')?.click()")
        browser.wait_for("document.getElementById('link').hidden", "the page to find the sidecar again")
        browser.wait_for_text("#incident", "All is well")
        browser.wait_for_text("#news", "answers again")
        fail_at(telltale, "one")
        wait_for_rows(browser, 1)


def test_a_sidecar_that_is_draining_is_shown_as_not_ready(browser):
    with closed_ports("one", extra="timeouts: {drain_delay: 60s}\n") as telltale:
        open_page(browser, telltale)
        browser.wait_for_text("#ready", "✓ ready")
        telltale.send_signal(signal.SIGTERM)
        browser.wait_for_text("#ready", "✗ not ready: draining")
        telltale.send_signal(signal.SIGTERM)
        assert telltale.wait() in (0, 1)


def test_a_hidden_tab_asks_nothing(browser):
    # Timers are counted from the start: no request can come where none is set and none is under way.
    count = """
      window.polls = { timers: new Set(), open: 0 };
      const [set, clear, ask] = [setTimeout, clearTimeout, fetch];
      window.setTimeout = (f, ms, ...rest) => {
        const id = set(() => { polls.timers.delete(id); f(...rest); }, ms);
        polls.timers.add(id);
        return id;
      };
      window.clearTimeout = (id) => { polls.timers.delete(id); clear(id); };
      window.fetch = (...all) => { ++polls.open; return ask(...all).finally(() => --polls.open); };
      window.isHidden = false;
      Object.defineProperty(document, 'hidden', { get: () => isHidden });
    """
    hide = "window.isHidden = arguments[0]; document.dispatchEvent(new Event('visibilitychange'))"
    with closed_ports("one") as telltale, browser.before_each_page(count):
        open_page(browser, telltale)
        browser.wait_for("polls.timers.size > 0", "the page to wait for its next turn")
        browser.run(hide, True)
        browser.wait_for("polls.timers.size === 0 && polls.open === 0", "the last question to be over")
        fail_at(telltale, "one")
        assert browser.run("return [polls.timers.size, polls.open]") == [0, 0]
        assert rows(browser) == []
        browser.run(hide, False)
        wait_for_rows(browser, 1)


def test_it_tries_again_later_and_later_while_nobody_answers(browser):
    # Timers run out at once, and what they were set to is kept; 12 s is how long an answer may take.
    refuse = """
      window.pauses = [];
      const set = setTimeout;
      window.setTimeout = (f, ms, ...rest) => {
        if (!(ms >= 1000) || ms === 12000) return set(f, ms, ...rest);
        pauses.push(ms);
        return pauses.length < 7 ? set(f, 0) : 0;
      };
      window.fetch = () => Promise.reject(new TypeError('nobody there'));
    """
    with closed_ports("one") as telltale, browser.before_each_page(refuse):
        browser.open(url(telltale))
        browser.wait_for("pauses.length === 7", "seven attempts")
        assert browser.run("return pauses") == [1000, 2000, 4000, 8000, 15000, 15000, 15000]
        assert "Connection lost" in browser.text("#link") and "Trying again in" in browser.text("#link")
        assert browser.run("return document.querySelector('#link button').textContent") == "Retry now"


# ---- filters and links

def test_filters_narrow_the_list_and_a_link_shows_the_same_to_somebody_else(browser):
    with peers.ends_at_once() as ends:
        listeners = [Listener(f"127.0.0.1:{free_port()}", name="one"), Listener(f"127.0.0.1:{free_port()}", name="two"),
                     Listener(ends.target, name="three")]
        with sidecar(*listeners) as telltale:
            for name in ("one", "two", "three"):
                fail_at(telltale, name)
            open_incident(browser, telltale)
            wait_for_rows(browser, 3)
            browser.driver.find_element("css selector", "#filter-cause option[value=refused]").click()
            wait_for_rows(browser, 2)
            assert browser.text("#list-count") == "2 of 3"
            browser.driver.find_element("css selector", "#filter-listener option[value=one]").click()
            wait_for_rows(browser, 1)
            browser.driver.find_element("css selector", "#list [role=option]").click()
            link = browser.driver.current_url
            assert "cause=refused" in link and "listener=one" in link and "incident=one" in link

            browser.open(link)
            browser.wait_for_text("#incident header", "on listener one")
            wait_for_rows(browser, 1)
            assert browser.run("return [document.getElementById('filter-cause').value, document.getElementById('filter-listener').value]") == ["refused", "one"]

            browser.driver.find_element("id", "filter-clear").click()
            wait_for_rows(browser, 3)
            browser.driver.find_element("id", "filter-text").send_keys("THREE")
            wait_for_rows(browser, 1)
            assert rows(browser)[0][1].startswith("three")
            assert "text=THREE" in browser.driver.current_url
            assert "leave this incident out" in browser.text("#incident .note")
            browser.driver.find_element("id", "filter-text").send_keys(" nowhere at all")
            browser.wait_for_text("#list-empty", "No incident fits the filters.")

            open_incident(browser, telltale, "#incident=gone%7C1.2.3.4%3A5%7Crefused")
            assert "not kept any more" in browser.text("#incident .note")
            assert_nothing_bad_happened(browser, telltale)


# ---- hostile words

MARKUP = b"<img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script><svg onload=window.pwned=3>"
TURNED = "‮⁦​".encode() + b"\x1b[31m\xff\xfe\x00\x9b2J"


def hostile_answer(leak):
    return (b"HTTP/1.1 400 " + MARKUP + b"\r\nServer: " + MARKUP + TURNED + b"\r\nContent-Type: text/html\r\nVia: 1.1 " + MARKUP
            + b"\r\nLocation: javascript:window.pwned=4\r\nX-Long: " + b"x" * (1 << 20) + b"\r\nConnection: close\r\n\r\n"
            + b"<script>fetch('" + leak.encode() + b"')</script>")


def test_nothing_from_the_wire_is_ever_markup(browser):
    leaks = sockets.ScriptedServer(sockets.keep_open)
    answer = hostile_answer(f"http://{leaks.target}/leak")

    def script(sock, _):
        sock.recv(65536)
        sock.sendall(answer)

    request = (b"GET /" + MARKUP.replace(b" ", b"+") + b" HTTP/1.1\r\nHost: " + MARKUP + b"\r\nUser-Agent: " + MARKUP + TURNED
               + b"\r\nX-Forwarded-For: " + MARKUP + b"\r\nVia: " + MARKUP + b"\r\n\r\n")
    with leaks, sockets.ScriptedServer(script) as server:
        with sidecar(Listener(server.target, name="upstream"), Listener(server.target, name="client", expect="grpc")) as telltale:
            clients.grpc_call(telltale.target)
            telltale.wait_for_incident(listener="upstream")
            clients.exchange(telltale.listeners[1].address, request)
            telltale.wait_for_incident(listener="client")
            open_incident(browser, telltale)
            wait_for_rows(browser, 2)
            for row in browser.driver.find_elements("css selector", "#list [role=option]"):
                row.click()
                browser.wait_for("document.querySelector('#incident .path')", "the picture")
                browser.run("document.querySelector('#raw').open = true")
                browser.wait_for_text("#raw pre", "onerror")
                assert browser.run("return document.querySelectorAll('script, svg [onload], [onerror], iframe, object').length") == 1
                assert browser.run("return [...document.images].map((image) => image.getAttribute('src'))") == ["page/icon.svg"]
                links = browser.run("return [...document.links].map((link) => link.protocol)")
                assert set(links) <= {"http:", "https:"}
                shown = browser.run("return document.documentElement.textContent")
                assert "<img src=x onerror=" in shown, "shown as text"
                assert not set(shown) & set("\x1b\x00\u202e\u2066\u200b\u009b")
            first = next(i for i in telltale.incidents() if i["listener"] == "upstream")
            browser.open(url(telltale, f"#listener=upstream&incident=upstream%7C{first['upstream']['address']}%7C{first['cause']}"))
            browser.wait_for_text("#incident header", "on listener upstream")
            dumped = dumped_bytes(browser)
            assert len(dumped) >= 64 and answer.startswith(dumped), "the very bytes"
            assert browser.run("return typeof window.pwned") == "undefined"
            assert leaks.connections == 0
            for media in (DESKTOP, PHONE):
                browser.emulate(size=media)
                browser.wait_for("document.documentElement.scrollWidth <= innerWidth", "long words to be broken")
            assert_nothing_bad_happened(browser, telltale)


# ---- made-up answers of the sidecar, where real ones are hard to come by

def answers(entries, then=None):
    """A script that answers /incidents with `entries`, from the second time on with `then`."""
    return """
      const real = fetch;
      const lists = [%s, %s];
      window.asked = 0;
      window.fetch = (path, ...rest) => path !== 'incidents' ? real(path, ...rest) : Promise.resolve(
        new Response(JSON.stringify(lists[Math.min(asked++, window.hold ?? 0)]), { headers: { 'Content-Type': 'application/json' } }));
    """ % (json.dumps(entries), json.dumps(then or entries))


def many(record, number):
    def entry(i):
        upstream = {**record["upstream"], "address": f"10.1.{i // 250}.{i % 250}:10260"}
        return {"count": 1, "first": record["ts"], "last": record["ts"], "incident": {**record, "id": f"id-{i}", "upstream": upstream}}
    return [entry(i) for i in range(number)]


def test_five_hundred_groups_are_listed_and_a_poll_touches_only_what_changed(browser):
    with closed_ports("one") as telltale:
        fail_at(telltale, "one")
        entries = many(telltale.incidents()[0], 500)
        changed = [{**entries[7], "count": 9}, *entries[:7], *entries[8:]]
        with browser.before_each_page(answers(entries, changed)):
            open_page(browser, telltale)
            wait_for_rows(browser, 500)
            browser.run("""window.touched = 0;
                new MutationObserver((records) => { for (const record of records) {
                  if (record.target.nodeName !== 'TIME') touched += record.addedNodes.length + record.removedNodes.length; }
                }).observe(document.getElementById('list'), { childList: true, subtree: true });
                window.hold = 1""")
            browser.wait_for_text("#list", "×9")
            assert rows(browser)[0][1].endswith("10.1.0.7:10260")
            assert browser.run("return touched") <= 8, "one row moves, one number changes"
            browser.run("document.getElementById('list').focus()")
            from selenium.webdriver.common.keys import Keys
            browser.press(Keys.END)
            browser.wait_for_text("#incident .columns", entries[499]["incident"]["id"])
            seen = browser.run("""const row = document.querySelector('#list [aria-selected=true]').getBoundingClientRect();
                const list = document.getElementById('list').getBoundingClientRect();
                return row.top >= list.top - 1 && row.bottom <= list.bottom + 1""")
            assert seen, "the chosen one is in sight"


def test_inner_hops_are_drawn_and_only_web_addresses_are_linked(browser):
    with closed_ports("one") as telltale:
        fail_at(telltale, "one")
        record = telltale.incidents()[0]
        tunnel = {**record, "listener": "tunnel", "cause": "tls_required", "runbook": "javascript:window.pwned=1",
                  "client": {**record["client"], "layers": ["connect_tunnel"], "connect_target": "group-rpc:10260"},
                  "hop": {**record["hop"], "position": "upstream"}}
        told = {**record, "listener": "told", "cause": "metrics_port", "attributed_by": "10.2.2.2:15260",
                "hop": {**record["hop"], "position": "upstream", "address": "10.9.9.9:12260", "name": "group-rpc-service"}}
        leg = {**record, "listener": "leg", "cause": "connect_timeout", "hop": {**record["hop"], "position": "upstream_leg"},
               "upstream": {**record["upstream"], "dns_name": "db.example.internal",
                            "confirmed": [{"port": 10260, "speaks": "grpc"}, {"port": 12260, "speaks": "http1", "metrics": True}]}}
        entries = [{"count": 1, "first": record["ts"], "last": record["ts"], "incident": one} for one in (tunnel, told, leg)]
        with browser.before_each_page(answers(entries)):
            open_incident(browser, telltale)
            wait_for_rows(browser, 3)
            wanted = {"tunnel": (["client", "telltale", "upstream", "further"], "group-rpc:10260"),
                      "told": (["client", "telltale", "upstream", "further"], "10.9.9.9:12260"),
                      "leg": (["client", "telltale", "upstream"], "")}
            for row in browser.driver.find_elements("css selector", "#list [role=option]"):
                row.click()
                name = row.find_element("css selector", ".where").text.split(" ")[0]
                browser.wait_for_text("#incident header", f"on listener {name}")
                browser.wait_for("document.querySelector('svg.path')", "the picture")
                places, guilty = wanted[name]
                assert browser.run("return [...document.querySelectorAll('svg.path .place')].map((place) => place.dataset.place)") == places
                marked = browser.run("return [...document.querySelectorAll('svg.path .guilty')].map((one) => one.textContent)")
                assert len(marked) == 1 and "AT FAULT" in marked[0] and guilty in marked[0]
                assert browser.run("return document.querySelectorAll('#incident .fix a').length") == (0 if name == "tunnel" else 1)
            text = browser.text("#incident .columns")
            assert "db.example.internal" in text and re.search(r"10260\s+gRPC", text)
            assert re.search(r"12260\s+HTTP/1, serves metrics", text)
            assert browser.run("return typeof window.pwned") == "undefined"


# ---- for everybody

FOCUSABLE = """return [...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.tabIndex >= 0).length"""


def test_everything_can_be_done_with_the_keyboard_alone(browser):
    from selenium.webdriver.common.keys import Keys
    with closed_ports("one", "two") as telltale:
        fail_at(telltale, "one")
        fail_at(telltale, "two")
        open_incident(browser, telltale)
        wait_for_rows(browser, 2)
        where = "const node = document.activeElement; return node === document.body ? '' : (node.id || node.textContent.trim().slice(0, 40))"
        outline = """const node = document.activeElement; const style = getComputedStyle(node);
            return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2"""
        browser.press(Keys.TAB)
        assert browser.run(where) == "Skip to the incident"
        assert browser.run("return document.activeElement.getBoundingClientRect().top >= 0"), "the skip link is seen when it has the focus"
        visited = []
        while browser.run("return document.activeElement !== document.body") and len(visited) < 100:
            assert browser.run(outline), f"no focus is seen on {browser.run(where)}"
            visited.append(browser.run(where))
            browser.press(Keys.TAB)
        assert len(visited) == browser.run(FOCUSABLE), visited
        assert visited[1:5] == ["filter-cause", "filter-listener", "filter-text", "list"]
        assert visited[-1] == "readiness", "the way leads to the end and out"

        browser.run("document.getElementById('list').focus()")
        browser.press(Keys.ARROW_DOWN)
        browser.wait_for_text("#incident header", "on listener one")
        chosen = browser.run("""const list = document.getElementById('list');
            const row = document.getElementById(list.getAttribute('aria-activedescendant'));
            return [row.getAttribute('aria-selected'), row.querySelector('.where').textContent, list.querySelectorAll('[aria-selected=true]').length]""")
        assert chosen[0] == "true" and chosen[1].startswith("one") and chosen[2] == 1
        browser.press(Keys.HOME)
        browser.wait_for_text("#incident header", "on listener two")
        browser.press(Keys.ENTER)
        assert browser.run("return document.activeElement.id") == "incident"
        browser.run("document.querySelector('#raw summary').focus()")
        browser.press(Keys.ENTER)
        browser.wait_for("document.querySelector('#raw').open", "the record")
        browser.run("scrollTo(0, 0); document.querySelector('.skip').focus()")
        browser.press(Keys.ENTER)
        assert browser.run("return document.activeElement.id") == "incident"
        assert "incident=two" in browser.driver.current_url, "the skip link keeps what was chosen"
        assert_nothing_bad_happened(browser, telltale)


@pytest.mark.parametrize("secure", [True, False], ids=["localhost", "plain_http"])
def test_the_record_can_be_copied_also_where_the_clipboard_of_the_browser_is_not_there(browser, secure):
    from selenium.webdriver.common.keys import Keys
    insecure = "" if secure else "Object.defineProperty(window, 'isSecureContext', { value: false }); Object.defineProperty(navigator, 'clipboard', { value: undefined });"
    with closed_ports("one") as telltale, browser.before_each_page(insecure):
        fail_at(telltale, "one")
        open_incident(browser, telltale)
        if secure:
            browser.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        browser.driver.find_element("css selector", "#raw summary").click()
        browser.driver.find_element("css selector", "#raw button").click()
        browser.wait_for_text("#raw .copy", "copied")
        box = browser.driver.find_element("id", "filter-text")
        box.send_keys(Keys.CONTROL, "v")
        browser.wait_for("document.getElementById('filter-text').value.startsWith('{')", "the pasted record")
        assert json.loads(browser.run("return document.getElementById('filter-text').value"))["id"] == telltale.incidents()[0]["id"]


CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
const rgba = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
const light = (c) => { const v = [0, 1, 2].map((i) => c[i] / 255).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const ground = (node) => { for (let at = node; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] === 255) return c; }
  return rgba('white'); };
const bad = [];
let looked = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || node.closest('svg, noscript, .visually-hidden, script') || !node.checkVisibility({ visibilityProperty: true })) continue;
  ++looked;
  const found = ratio(rgba(getComputedStyle(node).color), ground(node));
  if (found < 4.5) bad.push(`${node.tagName}.${node.className} ${walker.currentNode.data.trim().slice(0, 30)}: ${found.toFixed(2)}`);
}
for (const text of document.querySelectorAll('svg.path text')) {
  const group = text.closest('.sign, .flag, .place');
  const shape = group?.querySelector(':scope > polygon, :scope > rect');
  const back = shape ? rgba(getComputedStyle(shape).fill) : ground(text.closest('div'));
  ++looked;
  const found = ratio(rgba(getComputedStyle(text).fill), back);
  if (text.textContent && found < 4.5) bad.push(`svg ${text.textContent}: ${found.toFixed(2)}`);
}
for (const swatch of document.querySelectorAll('.swatch')) {
  const found = ratio(rgba(getComputedStyle(swatch).backgroundColor), ground(swatch.parentElement));
  if (found < 3) bad.push(`swatch ${swatch.className}: ${found.toFixed(2)}`);
}
return [looked, bad];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_in_both_schemes(browser, scheme):
    with guide_incident() as (telltale, _):
        browser.emulate(scheme=scheme)
        open_incident(browser, telltale)
        browser.wait_for("document.querySelector('svg.path')", "the picture")
        browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
        grounds = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", grounds)[:3])) < 200) == (scheme == "dark")
        looked, bad = browser.run(CONTRAST)
        assert looked > 60 and bad == [], "\n".join(bad)


def test_a_phone_shows_it_without_scrolling_sideways(browser):
    with guide_incident() as (telltale, _):
        browser.emulate(size=PHONE, mobile=True)
        open_incident(browser, telltale)
        browser.wait_for("document.querySelector('svg.path')", "the picture")
        browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
        assert browser.run("return innerWidth") == PHONE[0]
        assert browser.run("return document.documentElement.scrollWidth") <= PHONE[0]
        outside = browser.run("""return [...document.body.querySelectorAll('*')].filter((node) => !node.closest('.scroll, pre, .visually-hidden'))
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.outerHTML.slice(0, 80))""")
        assert outside == []
        scrolls = browser.run("return [...document.querySelectorAll('#incident .scroll')].map((node) => node.scrollWidth - node.clientWidth)")
        assert scrolls and max(scrolls) <= 0, "eight bytes in a row fit a phone"
        small = browser.run("""return [...document.querySelectorAll('button, select, input, summary, [role=option]')]
            .filter((node) => node.checkVisibility()).map((node) => node.getBoundingClientRect()).filter((box) => box.height < 24).length""")
        assert small == 0, "large enough for a finger"


CONTROLS = {"button", "link", "combobox", "searchbox", "textbox", "listbox", "option", "DisclosureTriangle", "image", "img", "checkbox"}
LANDMARKS = {"banner", "main", "contentinfo", "navigation", "search"}


def test_screen_readers_get_landmarks_headings_and_names_for_all_controls(browser):
    with guide_incident() as (telltale, _):
        open_incident(browser, telltale)
        browser.wait_for("document.querySelector('svg.path')", "the picture")
        browser.wait_for("globalThis.Chart?.getChart('history-canvas')", "the chart")
        nodes = [node for node in browser.accessibility_tree() if not node.get("ignored")]
        role = lambda node: node.get("role", {}).get("value", "")  # noqa: E731
        name = lambda node: node.get("name", {}).get("value", "").strip()  # noqa: E731
        nameless = [node for node in nodes if role(node) in CONTROLS and not name(node)]
        assert nameless == []
        assert LANDMARKS <= {role(node) for node in nodes}
        assert {"listbox", "option", "table", "status", "article", "button", "combobox", "searchbox"} <= {role(node) for node in nodes} | {"button"}
        headings = [name(node) for node in nodes if role(node) == "heading"]
        for text in ("Telltale", "Incidents 1", "Incident metrics_port", "Fix", "Path", "Hop at fault", "First bytes", "Listeners",
                     "Incidents over time"):
            assert text in headings, headings
        assert any("AT FAULT" in name(node) for node in nodes if role(node) in ("image", "img"))
        levels = browser.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:])), levels
        assert browser.run("return document.documentElement.lang") == "en"
        tables = browser.run("return [...document.querySelectorAll('table')].filter((one) => one.rows.length > 0).map((one) => Boolean(one.caption?.textContent) && one.querySelectorAll('th[scope]').length > 0)")
        assert tables and all(tables)
        live = browser.run("return [document.getElementById('news').getAttribute('aria-live'), document.getElementById('link').getAttribute('role')]")
        assert live == ["polite", "status"]


def test_nothing_moves_for_who_wants_no_motion(browser):
    with guide_incident() as (telltale, _):
        browser.emulate(motion="reduce")
        open_incident(browser, telltale)
        browser.wait_for("globalThis.Chart?.getChart('history-canvas')", "the chart")
        moving = browser.run("""return [...document.querySelectorAll('*')].filter((node) => { const style = getComputedStyle(node);
            return style.transitionDuration.split(', ').some((each) => parseFloat(each) > 0) || style.animationName !== 'none'; }).map((node) => node.outerHTML.slice(0, 60))""")
        assert moving == []
        assert browser.run("return Chart.getChart('history-canvas').options.animation") is False


# ---- pictures

if PICTURES:
    def test_pictures_of_real_incidents_are_kept(browser):
        os.makedirs(PICTURES, exist_ok=True)
        grpc_port = free_port()
        with peers.Prometheus() as metrics, peers.Nginx() as nginx, peers.Echo("python") as echo:
            listeners = (Listener(metrics.target, name="group-rpc", expect="grpc"), Listener(nginx.target, name="user-rpc", expect="grpc"),
                         Listener(echo.target, name="auth-rpc", expect="grpc"), Listener(f"127.0.0.1:{free_port()}", name="msg-rpc", expect="grpc"))
            with sidecar(*listeners, metrics_port=metrics.port, grpc_port=grpc_port) as telltale:
                for name in ("msg-rpc", "user-rpc", "group-rpc"):
                    fail_at(telltale, name)
                for _ in range(2):
                    clients.grpc_call(telltale.target)
                telltale.wait_for_metric(5, "telltale_incidents_total")
                with sockets.connect(listeners[2].address) as client:
                    client.sendall(http2.FIRST_FLIGHT)
                    until(lambda: telltale.metric("telltale_connections_total", verdict="match") == 1, "a verdict")
                    keep_pictures(browser, telltale)


def keep_pictures(browser, telltale):
    for name, scheme, size in (("page-light", "light", DESKTOP), ("page-dark", "dark", DESKTOP), ("page-phone", "light", PHONE)):
        browser.emulate(size=size, scheme=scheme)
        open_incident(browser, telltale)
        browser.wait_for("globalThis.Chart?.getChart('history-canvas')", "the chart")
        browser.wait_for("document.querySelector('svg.path')", "the picture")
        browser.screenshot(os.path.join(PICTURES, f"{name}.png"))
