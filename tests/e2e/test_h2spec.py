"""What h2spec finds in a server it finds through Telltale too: frames that break the rules are neither mended nor held."""
from support import h2spec, peers
from support.telltale import Listener, Telltale


def test_h2spec_finds_the_same_through_telltale():
    with peers.Nghttpd() as server, Telltale(Listener(server.target)) as telltale:
        direct = h2spec.run(server.address)
        through = h2spec.run(telltale.address)
        assert through.tests == direct.tests > 100
        assert through.failures.keys() == direct.failures.keys()
        telltale.wait_until_idle()
