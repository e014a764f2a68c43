#!/bin/sh
# Measures Telltale beside its peers in one run; `bench/run.sh --help` lists the choices. `make bench` builds and installs
# what it needs first.
set -eu
cd "$(dirname "$0")/.."
exec python3 -B -m bench.macro "$@"
