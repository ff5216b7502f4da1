#!/usr/bin/env bash
# Fetches the charts' library into the package: the minified build and its licences, from the npm registry with its
# ordinary client. Only needed for a new version: the files are in the repository. Needs npm and sha256sum.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

VERSION=6.1.0
SHA256=61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5  # of dist/echarts.common.min.js
vendor=$PWD/clickstream_web/static/vendor work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work" && npm pack --silent "echarts@$VERSION" >/dev/null && tar xzf "echarts-$VERSION.tgz" && cd package
# A file that differs was not reviewed: review it, then write its hash above.
echo "$SHA256  dist/echarts.common.min.js" | sha256sum --check --quiet
cp dist/echarts.common.min.js "$vendor/"
for text in LICENSE licenses/LICENSE-d3 NOTICE; do cp "$text" "$vendor/echarts.${text#licenses/}.txt"; done
echo "echarts $VERSION is in $vendor"
