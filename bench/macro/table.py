"""The table for people: one block a row of load, one line a peer; and the design's targets, met or missed by how much."""
from .rows import ROWS

# (heading, figure, how it is written)
COLUMNS = (
    ("CPU µs", "cpu_us", "{:.1f}"), ("added µs", "added.cpu_us", "{:+.1f}"), ("proxy µs", "proxy_cpu_us", "{:.1f}"),
    ("per s", "per_second", "{:,.0f}"), ("p50 µs", "latency_us.p50", "{:,.0f}"), ("p99 µs", "latency_us.p99", "{:,.0f}"),
    ("p999 µs", "latency_us.p999", "{:,.0f}"), ("start KiB", "start_bytes", "KiB"),
    ("B/connection", "bytes_per_connection", "{:,.0f}"), ("B/busy connection", "bytes_per_busy_connection", "{:,.0f}"), ("RSS KiB", "resident_bytes", "KiB"),
    ("held KiB", "held_bytes", "KiB"), ("busiest of 8", "busiest_worker_connections", "{:.1f}"),
)


def written(value, how):
    return f"{value / 1024:,.0f}" if how == "KiB" else how.format(value)


def cell(summary, figure, how):
    found = summary["figures"].get(figure)
    return written(found["median"], how) if found else ""


def ratio_cell(summary, base, figure="added.cpu_us"):
    found = summary["ratio"].get(base, {}).get(figure)
    return f"{found['median']:.2f} ({found['low']:.2f}–{found['high']:.2f})" if found else ""


def layout(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(text.ljust(w) if i == 0 else text.rjust(w)
                             for i, (text, w) in enumerate(zip(row, widths))).rstrip() for row in rows]


def block(name, peers):
    used = [c for c in COLUMNS if any(c[1] in s["figures"] for s in peers.values())]
    lines = [["", *(c[0] for c in used), "× floor", "× HAProxy"]]
    for peer, summary in peers.items():
        main = "added.cpu_us" if "added.cpu_us" in summary["figures"] else "bytes_per_connection"
        lines.append([peer, *(cell(summary, c[1], c[2]) for c in used), ratio_cell(summary, "floor", main),
                      ratio_cell(summary, "haproxy", main)])
    return [f"{name}: {ROWS[name].what}; per {ROWS[name].per}", *layout(lines), ""]


def counts_block(counts):
    if not counts:
        return []
    lines = [["", "allocations/request", "allocations/connection", "system calls/request"]]
    for peer, one in counts.items():
        calls = one["syscalls_per_request"]
        said = ", ".join(f"{name} {value}" for name, value in sorted(calls.items(), key=lambda c: -c[1]) if value >= 0.02)
        lines.append([peer, f"{one['allocations']['per_request']:.2f}", f"{one['allocations']['per_connection']:.1f}",
                      f"{sum(calls.values()):.2f}: {said}"])
    return ["counts: 10 connections × 10 streams, 200 B; exact", *layout(lines), ""]


def micro_block(micro):
    if not micro:
        return []
    lines = [["", "ns", "GB/s"]]
    for name, one in micro.items():
        speed = one.get("bytes_per_second")
        lines.append([name, f"{one['ns']:,.1f}", f"{speed / 1e9:.1f}" if speed else ""])
    return ["micro: the parts alone, in this process's time", *layout(lines), ""]


# (row, base, figure, the most (or least) that it may be, which of the two)
TARGETS = (
    *((row, "floor", "added.cpu_us", 1.05, "at most") for row in ("10x10", "100x1", "1x1", "1 MiB", "set-up")),
    *((row, "haproxy", "added.cpu_us", 1.0, "at most") for row in ("10x10", "100x1", "1x1", "set-up")),
    ("1 MiB", "haproxy", "added.cpu_us", 0.65, "at most"),
    ("1x1 pinned", "haproxy", "added.latency_us.p50", 1.0, "at most"),
    ("set-up", "haproxy", "per_second", 1.0, "at least"),
    ("set-up 16", "haproxy", "per_second", 1.0, "at least"),
)
ABSOLUTE = (
    ("idle", "bytes_per_connection", 2048, "resident bytes per idle connection"),
    ("10x10", "start_bytes", 8 << 20, "resident bytes at start"),
    ("balance", "busiest_worker_connections", 5, "connections on the busier of two workers, of 8"),
)
NAMES = {"added.cpu_us": "added CPU", "added.latency_us.p50": "added median latency", "per_second": "rate"}


def verdict(ok):
    return "met" if ok else "MISSED"


def targets(rows):
    lines = [["target", "is", "", ""]]
    for row, base, figure, limit, way in TARGETS:
        found = rows.get(row, {}).get("telltale", {}).get("ratio", {}).get(base, {}).get(figure)
        if found:
            ok = found["median"] <= limit if way == "at most" else found["median"] >= limit
            lines.append([f"{row}: {NAMES[figure]} {way} {limit} × {base}", f"{found['median']:.2f}",
                          f"({found['low']:.2f}–{found['high']:.2f})", verdict(ok)])
    for row, figure, limit, what in ABSOLUTE:
        found = rows.get(row, {}).get("telltale", {}).get("figures", {}).get(figure)
        if found:
            lines.append([f"{row}: at most {limit:,} {what}", f"{found['median']:,.0f}", "",
                          verdict(found["median"] <= limit)])
    return lines + storm_targets(rows)


def micro_targets(micro):
    verdicts = [(one["ns"], name) for name, one in micro.items() if name.startswith("verdict/")]
    if not verdicts:
        return []
    slowest, name = max(verdicts)
    return [["verdict over the whole table: at most 200 ns for 512 bytes", f"{slowest:.0f}", f"({name})",
             verdict(slowest <= 200)]]


def count_targets(counts):
    if "telltale" not in counts:
        return []
    per_request = counts["telltale"]["allocations"]["per_request"]
    return [["no allocation per request", f"{per_request:.2f}", "", verdict(per_request < 0.005)]]


def storm_targets(rows):
    """A mismatch costs a record: how its rate compares with that of good connections, for telltale itself."""
    lines = []
    for storm, good in (("storm", "set-up"), ("storm 16", "set-up 16")):
        one, other = (rows.get(row, {}).get("telltale", {}).get("figures", {}).get("per_second") for row in (storm, good))
        if one and other:
            ratio = one["median"] / other["median"]
            lines.append([f"{storm}: rate at least 0.8 × {good}", f"{ratio:.2f}", "", verdict(ratio >= 0.8)])
    return lines


def render(result):
    lines = []
    for name, peers in result["rows"].items():
        lines += block(name, peers)
    counts, micro = result.get("counts", {}), result.get("micro", {})
    met = targets(result["rows"]) + count_targets(counts) + micro_targets(micro)
    lines += counts_block(counts) + micro_block(micro)
    return "\n".join(lines + (layout(met) if len(met) > 1 else []))
