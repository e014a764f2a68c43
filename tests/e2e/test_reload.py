"""Reloads: SIGHUP, a changed file, a swapped ConfigMap; new connections get the new configuration, old ones finish."""
import contextlib
import os
import signal

from support import clients, http2, peers, sockets
from support.ports import free_port
from support.telltale import Listener, Telltale
from support.wait import until


def rewrite(telltale, text):
    """As an editor does: a new file over the old one."""
    temporary = telltale.write("telltale.yaml.new", text)
    os.replace(temporary, telltale.config_file)


def reloads(telltale, result="success"):
    return telltale.metric("telltale_config_reloads_total", result=result)


@contextlib.contextmanager
def held_connection(telltale):
    with sockets.connect(telltale.address) as sock:
        sock.sendall(http2.FIRST_FLIGHT)
        sockets.receive_until(sock, lambda got: len(got) >= 9)
        yield sock


def still_works(sock):
    sock.sendall(http2.PING_FRAME)
    return sockets.receive_until(sock, lambda got: http2.PING_ANSWER in got)


def test_a_changed_file_takes_effect_for_new_connections_and_old_ones_finish():
    with peers.Echo("cpp") as first, peers.Exporter() as second, Telltale(Listener(first.target)) as telltale:
        with held_connection(telltale) as old:
            rewrite(telltale, telltale.configuration.replace(first.target, second.target))
            telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
            answer, _ = clients.http1_get(telltale.address, "/metrics")
            assert answer.startswith(b"HTTP/1.1 200"), "a new connection goes to the new upstream"
            still_works(old)
        assert second.target in telltale.get("/config")[1]


def test_sighup_reloads_without_a_change_of_the_file():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        telltale.send_signal(signal.SIGHUP)
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert "nothing changed" in telltale.output("stderr")
        assert clients.grpc_call(telltale.target) == ("OK", "")


def test_a_configmap_whose_data_link_is_swapped_is_reloaded():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        folder = telltale.path("mounted")
        text = open(telltale.config_file, encoding="utf-8").read()

        def publish(name, content):
            os.makedirs(os.path.join(folder, name))
            with open(os.path.join(folder, name, "telltale.yaml"), "w", encoding="utf-8") as file:
                file.write(content)
            os.symlink(name, os.path.join(folder, "..data_tmp"))
            os.replace(os.path.join(folder, "..data_tmp"), os.path.join(folder, "..data"))

        publish("..2026_11_23_1", text)
        os.symlink("..data/telltale.yaml", os.path.join(folder, "telltale.yaml"))
        mounted = os.path.join(folder, "telltale.yaml")
        telltale.stop_cleanly()
        telltale.arguments = [mounted if a == telltale.config_file else a for a in telltale.arguments]
        telltale.start()
        telltale.wait_until_ready()
        publish("..2026_11_23_2", text + "timeouts: {connect: 3s}\n")
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert "connect: 3s" in telltale.get("/config")[1]


def test_a_file_with_errors_changes_nothing_and_is_reported_everywhere():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        rewrite(telltale, telltale.configuration + "limits: {connections: many, colour: red}\n")
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="failure")
        assert telltale.metric("telltale_config_last_reload_successful") == 0
        telltale.expected_warnings += ["limits", "was not reloaded"]
        log = telltale.output("stderr")
        assert "limits.connections" in log and "limits.colour" in log
        status, shown = telltale.get("/config")
        assert status == 200 and "limits.connections" in shown.split("\nnode:")[0]
        assert telltale.get("/ready")[0] == 200
        assert clients.grpc_call(telltale.target) == ("OK", "")

        rewrite(telltale, telltale.configuration)
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert telltale.metric("telltale_config_last_reload_successful") == 1
        assert "limits.connections" not in telltale.get("/config")[1].split("\nnode:")[0]


def test_an_address_that_is_taken_fails_the_whole_reload():
    with sockets.listen() as taken, peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        more = Listener(server.target, name="more", listen=f"127.0.0.1:{taken.getsockname()[1]}")
        rewrite(telltale, telltale.configuration + more.yaml())
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="failure")
        telltale.expected_warnings += ["Address already in use", "was not reloaded"]
        assert "name: more" not in telltale.get("/config")[1].split("\nnode:", 1)[1]
        assert clients.grpc_call(telltale.target) == ("OK", "")


def test_listeners_come_and_go_and_their_counters_stay():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        more = Listener(server.target, name="more", listen=f"127.0.0.1:{free_port()}")
        rewrite(telltale, telltale.configuration + more.yaml())
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert clients.grpc_call(more.target) == ("OK", "")
        until(lambda: telltale.metric("telltale_connections_total", listener="more") == 1, telltale.describe)
        with sockets.connect(more.address) as old:
            old.sendall(http2.FIRST_FLIGHT)
            sockets.receive_until(old, lambda got: len(got) >= 9)
            rewrite(telltale, telltale.configuration)
            telltale.wait_for_metric(2, "telltale_config_reloads_total", result="success")
            until(lambda: not sockets.accepts(more.address), "the removed listener to close")
            still_works(old)
        rewrite(telltale, telltale.configuration + more.yaml())
        telltale.wait_for_metric(3, "telltale_config_reloads_total", result="success")
        assert clients.grpc_call(more.target) == ("OK", "")
        until(lambda: telltale.metric("telltale_connections_total", listener="more") == 3, telltale.describe)


def test_what_needs_a_restart_is_said():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        rewrite(telltale, telltale.configuration + "workers: 1\n")
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert "needs a restart: workers" in telltale.output("stderr")


def test_no_call_fails_while_the_file_changes_all_the_time():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        for round_number in range(10):
            rewrite(telltale, telltale.configuration + f"timeouts: {{connect: {round_number + 1}s}}\n")
            for _ in range(5):
                assert clients.grpc_call(telltale.target, timeout=10) == ("OK", "")
            telltale.wait_for_metric(round_number + 1, "telltale_config_reloads_total", result="success")
        telltale.assert_no_incident()
