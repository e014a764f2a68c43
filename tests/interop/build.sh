#!/bin/sh
# Builds the Go and JavaScript interop programs into a folder, never into the source tree.
# A machine without Go or npm, or without a way to their packages, goes without: the tests that need them say so.
# Usage: build.sh FOLDER
set -eu
sources=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/go" "$1/js"
folder=$(cd "$1" && pwd)
PATH=$PATH:/usr/local/go/bin
trouble=0

skip() {
    echo "interop: $1" >&2
    if [ "${TELLTALE_REQUIRE_PEERS:-}" = 1 ]; then trouble=1; fi
}

build_go() {
    command -v go > /dev/null || { skip "no go here: grpc-go is not tested"; return; }
    (cd "$sources/go" && GOFLAGS="-mod=readonly -buildvcs=false" go build -o "$folder/go/" ./echo_server ./echo_client ./health_server ./mux) ||
        skip "grpc-go did not build ($(go version 2>&1)): it is not tested"
}

# By itself, so that a machine that can't get it still has grpc-go.
build_h2spec() {
    command -v go > /dev/null || { skip "no go here: HTTP/2 is not tested with h2spec"; return; }
    (cd "$sources/go" && GOFLAGS="-mod=readonly -buildvcs=false" go build -o "$folder/go/" github.com/summerwind/h2spec/cmd/h2spec) ||
        skip "h2spec did not build ($(go version 2>&1)): HTTP/2 is not tested with it"
}

build_js() {
    command -v npm > /dev/null && command -v node > /dev/null || { skip "no npm here: grpc-js is not tested"; return; }
    cp "$sources/js/.npmrc" "$sources/js/package.json" "$sources/js/package-lock.json" "$sources"/js/*.js "$folder/js/"
    if [ -d "$folder/js/node_modules/@grpc/grpc-js" ] &&
        cmp -s "$sources/js/package-lock.json" "$folder/js/installed-lock.json"; then
        return
    fi
    (cd "$folder/js" && npm ci --no-progress) || { skip "npm ci failed: grpc-js is not tested"; return; }
    cp "$sources/js/package-lock.json" "$folder/js/installed-lock.json"
}

build_go
build_h2spec
build_js
exit $trouble
