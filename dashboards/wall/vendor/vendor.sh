#!/usr/bin/env bash
# Copies the few modules that the pages import from the npm registry into static/vendor, which is committed.
set -euo pipefail
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "make vendor needs npm (Node.js); running the wall does not" >&2; exit 1; }
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
into=../static/vendor
rm -rf "$into"
mkdir -p "$into/directives"
for module in lit-html directive directive-helpers directives/repeat directives/live directives/class-map; do
  grep -v '^//# sourceMappingURL=' "node_modules/lit-html/$module.js" >"$into/$module.js"
done
cp node_modules/lit-html/LICENSE "$into/LICENSE"
rm -rf node_modules
