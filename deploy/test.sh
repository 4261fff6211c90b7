#!/usr/bin/env bash
# Installs the packages that the tests need, builds everything and runs every test with ctest.
#   deploy/test.sh [PRESET]     PRESET: dev (default), release, asan-ubsan, tsan, fuzz, or tidy (runs clang-tidy and no tests)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${1:-dev}
case "$preset" in
  dev | release) extra=() ;;
  asan-ubsan | tsan | fuzz | tidy) extra=(sanitizer) ;;
  --help | -h) sed -n '2,3s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "test.sh: unknown preset $preset" >&2; exit 2 ;;
esac

# shellcheck source=deploy/packages.sh
. "$root/deploy/packages.sh"
packages=("${build_packages[@]}" "${test_packages[@]}")
[ ${#extra[@]} -eq 0 ] || packages+=("${sanitizer_packages[@]}")
install_packages "${packages[@]}"
install_packages "${client_packages[@]}" || echo "tests that need these packages are skipped" >&2

cd "$root"
deploy/format.sh --check
if command -v npm >/dev/null; then
  # npm installs the linter. Without npm the protos are not linted.
  npm exec --yes -- @bufbuild/buf@1.75.0 lint protos
else
  echo "protos are not linted: npm is not installed" >&2
fi

cmake --workflow --preset "$preset"
# Builds what quickstart.sh builds: the same sources with other build options.
if [ "$preset" = dev ]; then
  cmake --preset quickstart && cmake --build --preset quickstart
fi
