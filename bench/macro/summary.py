"""Medians, spreads and ratios of what was measured. Pure: figures in, figures out.

"added" is a figure minus the median of "direct". A ratio is the quotient of two medians; its spread is that of the runs'
quotients between their quartiles, because on a shared machine one run in five meets somebody else's work.
"""
from statistics import median, quantiles

BASES = ("floor", "haproxy")


def quartiles(values):
    if len(values) < 3:
        return min(values), max(values)
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def spread(values):
    low, high = quartiles(values)
    return {"median": median(values), "low": low, "high": high, "min": min(values), "max": max(values)}


def flatten(figures, prefix=""):
    flat = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def columns(runs):
    """{figure: [value of each run]}"""
    flat = [flatten(one) for one in runs]
    return {key: [one[key] for one in flat] for key in flat[0]}


def added(runs, direct):
    """CPU and latency that the peer costs beyond direct."""
    found = {}
    for figure, values in runs.items():
        if figure in ("cpu_us", "latency_us.p50", "latency_us.p99", "latency_us.p999") and figure in direct:
            found[f"added.{figure}"] = [value - median(direct[figure]) for value in values]
    return found


def ratios(peer, base):
    """Of every figure that both have; a base at or below zero (noise) gives no ratio."""
    found = {}
    for figure, values in peer.items():
        if figure in base and median(base[figure]) > 0:
            low, high = quartiles([a / b for a, b in zip(values, base[figure]) if b > 0])
            found[figure] = {"median": median(values) / median(base[figure]), "low": low, "high": high}
    return found


def summarise_row(measured):
    """{peer: {"figures": {…: spread}, "ratio": {base: {…}}}}"""
    raw = {name: columns(runs) for name, runs in measured.items()}
    if "direct" in raw:
        for name in raw:
            if name != "direct":
                raw[name].update(added(raw[name], raw["direct"]))
    found = {}
    for name, figures in raw.items():
        found[name] = {"figures": {key: spread(values) for key, values in figures.items()}, "ratio": {}}
        for base in ("direct", *BASES):
            if base in raw and base != name:
                found[name]["ratio"][base] = ratios(figures, raw[base])
    return found


def summarise(measured):
    return {row: summarise_row(peers) for row, peers in measured.items()}
