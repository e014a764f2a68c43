"""How the desk writes what it saw."""
import textwrap
import time

WIDTH = 118
SHOWN = ("summary", "description", "hop", "fix", "runbook_url")


def row(name, text, indent=4, column=14):
    head = " " * indent + f"{name:<{column}}"
    wrapped = textwrap.wrap(text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([head + wrapped[0], *(" " * len(head) + line for line in wrapped[1:])])


def clock(seconds):
    return time.strftime("%H:%M:%S", time.gmtime(seconds)) + "Z"


def call(name, state):
    if state["code"] is None:
        return row(name, "not called yet", column=19)
    return row(name, f"{state['code']}, {state['in_a_row']} in a row: {state['text']}", column=19)


def incident(group):
    record = group["incident"]
    hop = record["hop"]
    about = ", ".join(each for each in (hop["name"], hop["role"], hop["software"])
                      if each and each != hop["address"] and each != "unknown")
    lines = [row("cause", f"{record['cause']} ({record['confidence']}), {group['count']} times, "
                          f"seen by {record['node']}/{record['listener']}"),
             row("hop", f"{hop['position']} {hop['address']}" + (f" ({about})" if about else "")),
             row("what", record["explanation"]), row("fix", record["fix"]), row("runbook", record["runbook"])]
    return "\n".join(lines)


def alert(each):
    labels = each["labels"]
    lines = [row("alert", f"{labels['alertname']}, severity {labels.get('severity', 'none')}, "
                          f"{each.get('status', each.get('state'))}")]
    lines += [row(name, each["annotations"][name]) for name in SHOWN if name in each["annotations"]]
    return "\n".join(lines)


def notification(each):
    labels = each["labels"]
    return f"    {clock(each['received_at'])} {each['status']:<9} {labels.get('severity', ''):<7} " \
           f"{labels.get('alertname', '')}: {each['annotations'].get('summary', '')}"
