# shellcheck shell=bash disable=SC2034
# The scripts in this folder source this file. It lists the distribution packages that each task needs, and installs
# them. The names are those of Debian 12 and Ubuntu 24.04.

build_packages=(
  g++ cmake ninja-build ccache git pkg-config
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  libabsl-dev libeigen3-dev libicu-dev libssl-dev zlib1g-dev nlohmann-json3-dev
  prometheus-cpp-dev libedit-dev libboost-dev
)
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev clang-format python3 python3-jinja2)
# Without these, the tests of the chat page and of Python clients are skipped. Ubuntu has no package chromium.
client_packages=(python3-venv chromium chromium-driver python3-selenium)
sanitizer_packages=(clang clang-tidy libclang-rt-dev)

# install_packages NAME...: installs the packages that are missing and prints their names on stderr. Needs root or sudo
# only if a package is missing.
install_packages() {
  local missing=() name
  for name in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
      missing+=("$name")
    fi
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  echo "installing packages: ${missing[*]}" >&2
  if ! command -v apt-get >/dev/null; then
    echo "apt-get: not found; install the packages above (names may differ in your distribution) and run again" >&2
    return 1
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "not root and sudo not found; as root, run: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
