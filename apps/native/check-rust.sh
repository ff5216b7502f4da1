#!/usr/bin/env bash
# Ends with 0 if Rust can build the crate here; otherwise says in a line what is missing and ends with 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
how="https://rustup.rs installs it"

missing() {
    echo "apps/native needs Rust $needed or newer, and $1" >&2
    exit 1
}

command -v cargo >/dev/null || missing "there is no cargo here: $how"
here=$(cargo --version 2>/dev/null) || missing "cargo does not work here: try cargo --version; $how"
here=$(cut -d ' ' -f 2 <<<"$here")
printf '%s\n' "$needed" "$here" | sort -C -V || missing "this is $here: rustup update brings a newer one; $how"
command -v cc >/dev/null || missing "a C compiler that links, and there is no cc here: on Debian and Ubuntu the package gcc has it"
