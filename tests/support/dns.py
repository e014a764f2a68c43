"""A real name server inside a network namespace, and what the namespace's programs find in /etc/resolv.conf."""
import contextlib
import os
import re

from .process import Program, find_program
from .wait import until

SERVER = "127.0.0.53"
CLUSTER = "openim.svc.cluster.local"


@contextlib.contextmanager
def resolv_conf(namespace, server=SERVER, search=(CLUSTER, "svc.cluster.local", "cluster.local")):
    """`ip netns exec` puts the file in the place of /etc/resolv.conf, as kubelet writes it."""
    folder = f"/etc/netns/{namespace.name}"
    os.makedirs(folder)
    path = f"{folder}/resolv.conf"
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"search {' '.join(search)}\nnameserver {server}\noptions ndots:5\n")
        yield
    finally:
        os.unlink(path)
        os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")  # only when it is empty


class NameServer(Program):
    """dnsmasq. names: {address: names of its PTR records}; hosts: {name: address}; aliases: {name: name}."""

    def __init__(self, namespace, *, names=None, hosts=None, aliases=None):
        program = find_program("dnsmasq")
        super().__init__(["dnsmasq"], name="dnsmasq", namespace=namespace)
        arguments = [program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                     "--user=root", "--pid-file=", "--bind-interfaces", f"--listen-address={SERVER}",
                     "--no-dhcp-interface=lo", "--local=/#/", "--log-queries", "--log-facility=-"]
        for address, found in (names or {}).items():
            reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
            arguments += [f"--ptr-record={reverse},{name}" for name in found]
        for name, address in (hosts or {}).items():
            # An alias may only lead to a --host-record, which has a PTR record besides.
            alias_leads_there = name in (aliases or {}).values()
            arguments.append(f"--host-record={name},{address}" if alias_leads_there else f"--address=/{name}/{address}")
        arguments += [f"--cname={alias},{name}" for alias, name in (aliases or {}).items()]
        self.arguments = self.in_namespace(arguments)

    def __enter__(self):
        try:
            self.start()
            self.wait_until_accepting((SERVER, 53))
        except BaseException:
            self.close()
            raise
        return self

    def questions(self, kind="PTR"):
        """The names asked for, in order: query[PTR] 9.2.244.10.in-addr.arpa from …"""
        return re.findall(rf"query\[{kind}\] (\S+) from", self.output("stderr") + self.output())

    def wait_for_question(self, kind="PTR"):
        return until(lambda: self.questions(kind), lambda: f"a question to the name server\n{self.logs()}")
