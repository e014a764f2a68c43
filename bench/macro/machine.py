"""What the kernel knows: CPU time of the machine and of processes, resident memory, cores. Units are in the names."""
import os
import platform
import re
import subprocess
import time

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def machine_cpu_us():
    """CPU time that anything on this machine used: user, nice, system, irq, softirq (proc_stat(5)); not idle, not stolen."""
    user, nice, system, _idle, _iowait, irq, softirq = (int(v) for v in read("/proc/stat").split()[1:8])
    return (user + nice + system + irq + softirq) * TICK_US


def members(pid):
    """A process and all that it started: they share its session, because it was started as its leader."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getsid(int(name)) == pid:
                    found.append(int(name))
            except ProcessLookupError:
                pass
    return found


def threads(pid):
    return [(one, int(task)) for one in members(pid) for task in os.listdir(f"/proc/{one}/task")]


def thread_cpu_us(pid):
    """{thread: time on a CPU}, to the nanosecond (sched-stats in the kernel's documentation)."""
    found = {}
    for one, task in threads(pid):
        try:
            found[task] = int(read(f"/proc/{one}/task/{task}/schedstat").split()[0]) / 1000
        except OSError:
            pass
    return found


def process_cpu_us(pid):
    return sum(thread_cpu_us(pid).values())


def peak_bytes(pid):
    """The most that has been resident since the start (VmHWM), all its processes together."""
    return sum(int(re.search(r"^VmHWM:\s+(\d+) kB", read(f"/proc/{one}/status"), re.M).group(1)) * 1024
               for one in members(pid))


def resident_bytes(pid):
    """Of all its processes; a page that some of them share counts for each (Rss), as `ps` and cgroup-less tools show it."""
    return sum(int(re.search(r"^Rss:\s+(\d+) kB", read(f"/proc/{one}/smaps_rollup"), re.M).group(1)) * 1024
               for one in members(pid))


def pin(pid, cores):
    for _, task in threads(pid):
        try:
            os.sched_setaffinity(task, cores)
        except ProcessLookupError:
            pass


def idle_load(seconds=2.0):
    """Share of one core that the machine uses while the benchmark does nothing."""
    before, start = machine_cpu_us(), time.monotonic()
    time.sleep(seconds)
    return (machine_cpu_us() - before) / ((time.monotonic() - start) * 1_000_000)


def version(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


def describe():
    model = re.search(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo"), re.M)
    memory_kib = int(re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo")).group(1))
    return {"cpu": model.group(1) if model else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory_kib / 1024 / 1024, 1), "kernel": platform.release().split("-")[0]}
