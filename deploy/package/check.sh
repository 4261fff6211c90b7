#!/usr/bin/env bash
# Makes the Debian package and tries it in a fresh Debian root: installs it with dpkg, verifies the units with
# systemd-analyze, runs the command of each unit as an unprivileged user, and asks the gateway for a text.
#   deploy/package/check.sh [FOLDER]     as root; FOLDER holds the Debian root (default: a new one, which is deleted)
# Needs debootstrap, dpkg-dev and systemd, and a Debian mirror ($MIRROR). It takes minutes, so the tests do not run it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
release=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
[ "$(id -u)" -eq 0 ] || { echo "check.sh: expected to run as root, for debootstrap and chroot" >&2; exit 2; }
for tool in debootstrap dpkg-shlibdeps systemd-analyze setpriv; do
  command -v "$tool" >/dev/null || { echo "check.sh: $tool not found" >&2; exit 2; }
done

cd "$here"
cmake --workflow --preset package
deb=$(find build/package -maxdepth 1 -name 'recycling_*.deb' | sort | tail -n 1)
dpkg-deb --info "$deb"
dpkg-deb --contents "$deb"

root=${1:-}
clean=()
if [ -z "$root" ]; then
  root=$(mktemp -d)
  clean=("$root")
fi
pids=()
stop() {
  trap - EXIT
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ ${#clean[@]} -eq 0 ] || rm -rf "${clean[@]}"
}
trap stop EXIT

[ -e "$root/usr/bin/dpkg" ] || debootstrap --variant=minbase "$release" "$root" "$mirror"
cp "$deb" "$root/tmp/recycling.deb"
# dpkg unpacks the package and reports missing dependencies. Then apt installs exactly those.
chroot "$root" dpkg -i /tmp/recycling.deb || true
chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -f'
chroot "$root" dpkg -s recycling | grep '^Status: install ok installed'

units=(verifier drafter gateway)
for unit in "${units[@]}"; do
  systemd-analyze verify --root="$root" --man=no --recursive-errors=no "recycling-$unit.service"
done

# start UNIT: runs ExecStart with the unit's Environment lines, as the user nobody. The state folder is at the place
# where systemd would make it.
start() {
  local unit=$1 file=$root/usr/lib/systemd/system/recycling-$1.service line settings=()
  [ -e "$file" ] || file=$root/lib/systemd/system/recycling-$1.service
  install -d -o nobody "$root/var/lib/recycling-$unit"
  while read -r line; do
    read -ra words <<<"${line//%S/\/var\/lib}"
    settings+=("${words[@]}")
  done < <(sed -n 's/^Environment=//p' "$file")
  chroot --userspec=nobody:nogroup "$root" env -i "${settings[@]}" "$(sed -n 's/^ExecStart=//p' "$file")" &
  pids=("$!" "${pids[@]}")
}
for unit in "${units[@]}"; do start "$unit"; done
for _ in $(seq 300); do
  ! chroot "$root" recycling health 127.0.0.1:50051 127.0.0.1:50052 127.0.0.1:50050 >/dev/null 2>&1 || break
  sleep 0.1
done
chroot "$root" recycling health 127.0.0.1:50051 127.0.0.1:50052 127.0.0.1:50050
chroot --userspec=nobody:nogroup "$root" recycling generate --prompt "Once upon a time" --max_tokens 24
echo "the package works"
