"""The picture for the README: added CPU per request of each peer, by gnuplot, as SVG."""
import os
import subprocess
import tempfile

from .peers import Failed, find

ROWS = ("10x10", "100x1", "1x1", "1 MiB", "set-up")

SCRIPT = """set terminal svg size 900,{height} dynamic font "sans-serif,13" background "#ffffff"
set output "{output}"
set multiplot layout 1,{count} margins 0.14,0.99,{bottom:.3f},{top:.3f} spacing 0.015 \
    title "CPU that a proxy adds to a call, in units of a bare epoll relay's (less is better)"
set border 1
set tics nomirror scale 0.5
set style fill solid 0.85 noborder
set boxwidth 0.7
set yrange [*:*] reverse
set xrange [0:{widest}]
set xtics 1
set grid xtics lc rgb "#dddddd"
unset key
{plots}
unset multiplot
"""
PLOT = """set title "{title}"
set arrow 1 from 1,graph 0 to 1,graph 1 nohead dt 2 lc rgb "#555555"
plot "{data}" using ($2/2):0:($2/2):(0.35):($4):ytic({labels}) with boxxyerror lc rgb variable, \\
     "{data}" using ($2):0:3 with labels left offset 0.4,0 font ",11"
"""
OURS, OTHERS, WIDEST = 0x2F6FAB, 0xB0B0B0, 4.0


def times_the_floor(peer, summary):
    ratio = summary["ratio"].get("floor", {}).get("added.cpu_us")
    if peer == "floor":
        return 1.0
    return ratio["median"] if ratio else None


def bars(result, row):
    """[(peer, times the floor)]; the same peers in each panel, None for one that does not have the row."""
    peers = dict.fromkeys(peer for one in ROWS for peer in result["rows"].get(one, {}) if peer != "direct")
    found = {peer: times_the_floor(peer, summary) for peer, summary in result["rows"].get(row, {}).items()}
    return [(peer, found.get(peer)) for peer in peers] if any(v is not None for v in found.values()) else []


def write_data(folder, row, values):
    path = os.path.join(folder, row.replace(" ", "_"))
    with open(path, "w", encoding="utf-8") as file:
        for peer, value in values:
            colour = OURS if peer == "telltale" else OTHERS
            label = "" if value is None else f"{value:.2f}" if value <= WIDEST else f"{value:.1f} →"
            file.write(f'"{peer}" {min(max(value or 0.0, 0.0), WIDEST):.3f} "{label}" {colour}\n')
    return path


def draw(result, output):
    """The file's name, or None where the result has no row to show or nobody can draw it."""
    rows = [(row, values) for row in ROWS if (values := bars(result, row))]
    gnuplot = find("gnuplot")
    if not rows or not gnuplot:
        return None
    with tempfile.TemporaryDirectory() as folder:
        plots = "".join(PLOT.format(title=row, data=write_data(folder, row, values),
                                    labels="stringcolumn(1)" if i == 0 else '""')
                        for i, (row, values) in enumerate(rows))
        height = 110 + 26 * max(len(v) for _, v in rows)
        script = SCRIPT.format(height=height, top=1 - 62 / height, bottom=30 / height, output=output, count=len(rows), plots=plots,
                               widest=WIDEST * 1.25)
        done = subprocess.run([gnuplot], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"gnuplot ended with {done.returncode}: {done.stderr[-1000:]}")
    return output
