#!/bin/sh
# Makes Cargo.lock of crates.lock, here or in the folder that is named. crates.lock is the same without the registry's
# address, which cargo knows. After a change of dependencies: cargo update, then sed '/^source = /d' Cargo.lock >crates.lock
set -eu
cd "${1:-$(dirname "$0")}"

registry=$(cargo read-manifest | sed -n 's/.*"source":"\(registry+[^"]*\)".*/\1/p')
[ -n "$registry" ] || { echo "cargo named no registry for the crates of $PWD/Cargo.toml: see its error" >&2; exit 1; }
awk -v registry="$registry" '/^checksum = / { print "source = \"" registry "\"" } { print }' crates.lock >Cargo.lock
