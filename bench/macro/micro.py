"""The micro benchmarks (bench/micro, Google Benchmark), run as they are: medians of their repetitions."""
import json
import os

from .rows import run

REPETITIONS = 5


def measure(binaries, quick):
    """{name: {"ns": …, "bytes_per_second": … or None}}, or nothing where they were not built."""
    program = os.path.join(binaries.bench, "micro/micro_bench")
    if not os.access(program, os.X_OK):
        return {}
    said = json.loads(run([program, "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}",
                           "--benchmark_report_aggregates_only=true",
                           f"--benchmark_min_time={0.02 if quick else 0.1}"]))
    return {one["run_name"]: {"ns": round(one["cpu_time"], 1), "bytes_per_second": one.get("bytes_per_second")}
            for one in said["benchmarks"] if one.get("aggregate_name") == "median"}
