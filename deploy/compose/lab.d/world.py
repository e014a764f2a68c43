"""What the desk can change: the configurations in effect, and through the agents the programs, names and packets."""
import json
import os
import socket

TEMPLATES = "/lab/telltale"
CONFIGS = "/etc/lab/telltale"
TARGETS = "/etc/lab/prometheus/by-hand.json"
AGENTS = "/run/lab"
SIDECARS = ("api", "group-rpc", "user-rpc")
DROP = """table inet lab {
    chain input {
        type filter hook input priority 0
        iifname != "lo" tcp dport PORT counter drop
    }
}
"""
# Created and deleted in one go: no error where there is none.
NO_DROP = "add table inet lab\ndelete table inet lab\n"


class Trouble(Exception):
    """Something that the lab's user is to read, in one sentence."""


def replace_file(path, text):
    """Whoever watches the file sees the old one or the new one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def address_of(host):
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise Trouble(f"{host} has no address ({error}): is its container running?") from error


def configuration(sidecar):
    """The sidecar's configuration as it is when nothing is broken."""
    with open(f"{TEMPLATES}/{sidecar}.yaml", encoding="utf-8") as file:
        text = file.read()
    # Asked by the containers' own names: `stale-address` changes what the services' names mean.
    for mark, host in (("GROUP_RPC_IP", "group-rpc"), ("USER_RPC_IP", "user-rpc")):
        text = text.replace(mark, address_of(host))
    return text


def configure(sidecar, text):
    replace_file(f"{CONFIGS}/{sidecar}.yaml", text)


def edit(sidecar, old, new):
    text = configuration(sidecar)
    if text.count(old) != 1:
        raise Trouble(f"{old} does not stand once in the configuration of {sidecar}: the lab's image is out of step")
    configure(sidecar, text.replace(old, new))


def scrape_by_hand(*targets):
    replace_file(TARGETS, json.dumps([{"targets": list(targets)}] if targets else []))


def order(agent, do, **details):
    """Lets the agent of a container do something."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(15)
            connection.connect(f"{AGENTS}/{agent}.sock")
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"do": do, **details}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline() or "{}")
    except (OSError, ValueError) as error:
        raise Trouble(f"the container {agent} does not answer ({error}): lab logs {agent} tells why") from error
    if "error" in answer:
        raise Trouble(f"the container {agent} could not {do}: {answer['error']}")
    return answer


def pin(address, name):
    """The client's pod takes this address for the name, whatever DNS says: an entry that nobody refreshed."""
    order("api", "hosts", lines=[f"{address} {name}"])


def drop(port):
    order("firewall", "nft", rules=NO_DROP + DROP.replace("PORT", str(port)))


def nobody_has():
    """An address of this network that no container has: the engine gives them out from the low end."""
    return ".".join(address_of("group-rpc").split(".")[:3] + ["253"])


def setup():
    for sidecar in SIDECARS:
        configure(sidecar, configuration(sidecar))
    scrape_by_hand()


def mend():
    """Everything as it was, whatever was broken: safe to do twice."""
    setup()
    order("firewall", "nft", rules=NO_DROP)
    order("api", "hosts", lines=[])
    for agent in ("group-rpc", "user-rpc"):
        order(agent, "resume")
        order(agent, "start")
