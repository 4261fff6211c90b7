#!/usr/bin/env bash
# Formats every C++ source. With --check, changes nothing and fails on a difference.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
  "") arguments=(-i) ;;
  --check) arguments=(--dry-run --Werror) ;;
  *) echo "usage: deploy/format.sh [--check]" >&2; exit 2 ;;
esac
git ls-files -z --cached --others --exclude-standard '*.h' '*.cc' | xargs -0 clang-format "${arguments[@]}"
