#!/usr/bin/env bash
# Fetches the charts' library into the package: the minified build and its licences, from the npm registry with its
# ordinary client. Only needed for a new version: the files are in the repository. Needs npm and sha256sum.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

VERSION=6.1.0
SHA256=61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5  # of dist/echarts.common.min.js
target=clickstream_web/static/vendor

command -v npm >/dev/null || { echo "fetch_echarts.sh needs npm (Debian: apt-get install npm)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "echarts@$VERSION" >/dev/null && tar xzf "echarts-$VERSION.tgz")
echo "$SHA256  $work/package/dist/echarts.common.min.js" | sha256sum --check --quiet || {
    echo "echarts $VERSION is not the file that was reviewed: review it, then write its hash here" >&2
    exit 1
}
mkdir -p "$target"
cp "$work/package/dist/echarts.common.min.js" "$target/"
cp "$work/package/LICENSE" "$target/echarts.LICENSE.txt"
cp "$work/package/licenses/LICENSE-d3" "$target/echarts.LICENSE-d3.txt"
cp "$work/package/NOTICE" "$target/echarts.NOTICE.txt"
echo "echarts $VERSION is in $target"
