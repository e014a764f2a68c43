"""The picture for the README: added CPU per request of each peer, by gnuplot, as SVG."""
import os
import subprocess
import tempfile

from .peers import Failed, find

ROWS = ("10x10", "100x1", "1x1", "1 MiB", "set-up")

SCRIPT = """set terminal svg size 900,{height} dynamic font "sans-serif,13" background "#ffffff"
set output "{output}"
set multiplot layout 1,{count} title "CPU that a proxy adds to a call, in units of a bare epoll relay's (less is better)"
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
set lmargin {margin}
plot "{data}" using ($2/2):0:($2/2):(0.35):($4):ytic({labels}) with boxxyerror lc rgb variable, \\
     "{data}" using ($2):0:3 with labels left offset 0.4,0 font ",11"
"""
OURS, OTHERS, WIDEST = 0x2F6FAB, 0xB0B0B0, 4.0


def bars(result, row):
    """(peer, times the floor) of each peer that has the row."""
    found = []
    for peer, summary in result["rows"].get(row, {}).items():
        ratio = summary["ratio"].get("floor", {}).get("added.cpu_us")
        if peer == "floor":
            found.append((peer, 1.0))
        elif ratio:
            found.append((peer, ratio["median"]))
    return found


def write_data(folder, row, values):
    path = os.path.join(folder, row.replace(" ", "_"))
    with open(path, "w", encoding="utf-8") as file:
        for peer, value in values:
            colour = OURS if peer == "telltale" else OTHERS
            label = f"{value:.2f}" if value <= WIDEST else f"{value:.1f} →"
            file.write(f'"{peer}" {min(value, WIDEST):.3f} "{label}" {colour}\n')
    return path


def draw(result, output):
    """The file's name, or None where the result has no row to show."""
    rows = [(row, values) for row in ROWS if (values := bars(result, row))]
    if not rows:
        return None
    with tempfile.TemporaryDirectory() as folder:
        plots = "".join(PLOT.format(title=row, data=write_data(folder, row, values), margin=14 if i == 0 else 2,
                                    labels="stringcolumn(1)" if i == 0 else '""')
                        for i, (row, values) in enumerate(rows))
        script = SCRIPT.format(height=110 + 26 * max(len(v) for _, v in rows), output=output, count=len(rows), plots=plots,
                               widest=WIDEST * 1.25)
        done = subprocess.run([find("gnuplot") or "gnuplot"], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"gnuplot ended with {done.returncode}: {done.stderr[-1000:]}")
    return output
