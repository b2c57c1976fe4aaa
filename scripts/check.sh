#!/usr/bin/env bash
# Lint, types, and the arrows between rooms.
set -euo pipefail
cd "$(dirname "$0")/.."

node_modules/.bin/biome check --error-on-warnings
node_modules/.bin/tsc --noEmit
node_modules/.bin/tsc -p page
node_modules/.bin/vitest run test/architecture.test.ts
