"""The command behind bench/run.sh: measures, prints the table, writes the result and the plot."""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from . import machine, micro, plot, runs, summary, table
from .counts import count
from .peers import PEERS, ROOT, Failed, find, missing, present, raise_file_limit
from .rows import ROWS

QUICK_ROWS = ("10x10", "100x1", "1x1 pinned", "1 MiB", "set-up", "storm", "idle")
QUICK_PEERS = ("direct", "floor", "telltale", "haproxy")


@dataclass(frozen=True)
class Binaries:
    bench: str     # folder of floor_relay, load/bench_load, hooks/libcount_allocations.so
    telltale: str


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description="Measures Telltale beside its peers, in one run.",
                                     epilog="Example: bench/run.sh quick --row 10x10 --row 'set-up'")
    parser.add_argument("size", nargs="?", choices=("quick", "full"), default="full",
                        help="quick: the main rows, four peers, 3 short runs; full (default): everything, 5 runs")
    parser.add_argument("--row", action="append", choices=list(ROWS), metavar="ROW", help="only this one; again for more: "
                        + ", ".join(ROWS) + "; counts and micro benchmarks are left out then")
    parser.add_argument("--peer", action="append", choices=list(PEERS), metavar="PEER",
                        help="only this one; again for more: " + ", ".join(PEERS))
    parser.add_argument("--runs", type=int, help="interleaved runs of each row")
    parser.add_argument("--scale", type=float, help="the amount of load, 1 being that of full")
    parser.add_argument("--no-counts", action="store_true", help="without system calls and allocations")
    parser.add_argument("--no-micro", action="store_true", help="without the micro benchmarks")
    parser.add_argument("--output", help="the file of the result (default: bench/results/DATE.json after full, none else)")
    parser.add_argument("--resume", action="store_true", help="keep the rows that the output file has already")
    parser.add_argument("--show", metavar="FILE", help="print the table of a result that was written before")
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="the folder of the binaries")
    chosen = parser.parse_args()
    chosen.build = os.path.abspath(chosen.build)
    quick = chosen.size == "quick"
    chosen.runs = chosen.runs or (3 if quick else 5)
    chosen.scale = chosen.scale or (0.3 if quick else 1.0)
    everything = not (chosen.row or chosen.peer)
    chosen.no_counts = chosen.no_counts or bool(chosen.row)
    chosen.no_micro = chosen.no_micro or bool(chosen.row)
    chosen.row = chosen.row or (QUICK_ROWS if quick else list(ROWS))
    chosen.peer = chosen.peer or (QUICK_PEERS if quick else [p for p in PEERS if present(p)])
    if not chosen.output and not quick and everything:
        chosen.output = os.path.join(ROOT, f"bench/results/{datetime.date.today().isoformat()}.json")
    return chosen


def binaries(build):
    found = Binaries(os.path.join(build, "bench"), os.path.join(build, "telltale"))
    for path in (found.telltale, *(os.path.join(found.bench, name) for name in ("floor_relay", "load/bench_load"))):
        if not os.access(path, os.X_OK):
            raise Failed(f"{os.path.relpath(path)} is not built: run `make bench`, or see CONTRIBUTING.md")
    return found


def versions(found, peers):
    asked = {"telltale": [found.telltale, "--version"], "haproxy": [find("haproxy"), "-v"], "nginx": [find("nginx"), "-v"],
             "nghttpd": [find("nghttpd"), "--version"], "sslh": [find("sslh-select"), "-V"]}
    used = {name.split()[0] for name in peers} | {"nghttpd"}
    return {name: machine.version(command) for name, command in asked.items() if name in used and command[0]}


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def rounded(value):
    """Four digits are more than any figure here is good for."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write(path, result):
    """One line for each row, so that two results can be compared by eye."""
    parts = {key: value for key, value in result.items() if key != "rows"}
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(rounded(row))}" for name, row in result["rows"].items())
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(rounded(parts), indent=1, ensure_ascii=False)[:-2])
        file.write(f',\n "rows": {{\n{rows}\n}}}}\n')


def begun(options, found):
    """A new result, or the one that is being resumed."""
    if options.resume and options.output and os.path.exists(options.output):
        with open(options.output, encoding="utf-8") as file:
            return json.load(file)
    busy = machine.idle_load()
    if busy > 0.05:
        runs.say(f"warning: something else uses {busy:.0%} of a core; the spread will tell how much it matters")
    return {"date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine.describe(),
            "versions": versions(found, options.peer), "runs": options.runs, "scale": options.scale,
            "busy_before": round(busy, 3), "left_out": {}, "rows": {}, "micro": {}, "counts": {}}


def measure(options):
    found = binaries(options.build)
    absent = [name for name in options.peer if missing(name)]
    if absent:
        raise Failed(f"not installed: {', '.join(absent)}; `make bench` installs what bench/packages.txt names")
    raise_file_limit()
    result = begun(options, found)

    def save():
        if options.output:
            write(options.output, result)

    def keep(row, measured, left_out):
        result["rows"].update(summary.summarise({row: measured}))
        result["left_out"].update(left_out)
        save()

    runs.measure([ROWS[name] for name in options.row if name not in result["rows"]], options.peer, found, options, keep)
    if not options.no_micro and not result["micro"]:
        runs.say("  micro benchmarks")
        result["micro"] = micro.measure(found, options.size == "quick")
        save()
    for name in () if options.no_counts else options.peer:
        if name in ("direct", *result["left_out"], *result["counts"]):
            continue
        runs.say(f"  counting what {name} does for each request")
        try:
            result["counts"][name] = count(name, found)
        except Failed as error:  # one with an allocator of its own does not go with the hook
            result["left_out"][f"{name}, counts"] = str(error).splitlines()[-1]
        save()
    return result


def interrupted(number, _):
    raise KeyboardInterrupt(number)


def main():
    options = arguments()
    if options.show:
        with open(options.show, encoding="utf-8") as file:
            print(table.render(json.load(file)))
        return 0
    signal.signal(signal.SIGTERM, interrupted)  # ends what was started, as Ctrl-C does
    try:
        result = measure(options)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = f"; the rows that are done are in {options.output}, --resume goes on" if options.output else ""
        print(f"error: interrupted; everything that was started is ended{kept}", file=sys.stderr)
        return 130
    print(table.render(result))
    if options.output:
        picture = plot.draw(result, os.path.abspath(os.path.splitext(options.output)[0] + ".svg"))
        print("written:", ", ".join(os.path.relpath(path) for path in (options.output, picture) if path))
        if not find("gnuplot"):
            print("no picture: gnuplot is not installed; `make bench` installs it", file=sys.stderr)
    for what, why in result["left_out"].items():
        print(f"left out: {what}: {why}", file=sys.stderr)
    return 1 if any(what.startswith("telltale") for what in result["left_out"]) else 0


if __name__ == "__main__":
    sys.exit(main())
