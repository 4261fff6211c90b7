#!/usr/bin/env bash
# Makes an authority and certificates for trials: deploy/certificates.sh FOLDER [DAYS]
# FOLDER gets ca.crt and, for verifier, drafter, gateway and client, NAME.crt and NAME.key. A second run keeps the
# authority and renews the certificates. Running services use them within seconds.
# NAMES adds names to every certificate: NAMES=DNS:gw.example.com,IP:10.0.0.7 deploy/certificates.sh FOLDER
set -euo pipefail
if [ $# -lt 1 ] || [ $# -gt 2 ] || [[ "$1" == -* ]]; then
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
fi
command -v openssl >/dev/null || { echo "openssl: not found; install the package openssl" >&2; exit 1; }
folder=$1
days=${2:-30}
umask 077
mkdir -p "$folder"
cd "$folder"

if [ ! -e ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "/CN=recycling trial authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout ca.key -out ca.crt 2>/dev/null
fi
for name in verifier drafter gateway client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$name" \
    -keyout "$name.key.new" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -days "$days" -out "$name.crt.new" -extfile <(
    echo "basicConstraints=critical,CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth,clientAuth"
    echo "subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1,IP:::1${NAMES:+,$NAMES}"
  ) 2>/dev/null
  rm "$name.csr"
  mv "$name.key.new" "$name.key"
  mv "$name.crt.new" "$name.crt"
done
chmod 644 ./*.crt
echo "ca.crt and the certificates of verifier, drafter, gateway and client are in $PWD"
echo "ca.key signs new certificates: do not copy it to the machines that serve"
