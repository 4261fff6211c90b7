#include "common/program/tls_flags.h"

#include "absl/flags/flag.h"

ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with this program's certificate, followed by the certificates that link it to "
          "its authority. Needs --tls_key. With it, a service uses only TLS on --listen. "
          "'recycling' shows it to servers that ask for a certificate, and needs --tls_ca as well. "
          "A running program reads the TLS files again within seconds after they change.");
ABSL_FLAG(std::string, tls_key, "", "PEM file with the private key of --tls_cert, not encrypted.");
ABSL_FLAG(
    std::string, tls_ca, "",
    "PEM file with the certificates of authorities. One of them must have signed the other side's "
    "certificate. For a service, the other side is the client; if the flag is empty, clients need "
    "no certificate. For 'recycling', the other side is the server: with this flag 'recycling' "
    "uses only TLS, without it plaintext. /etc/ssl/certs/ca-certificates.crt holds the "
    "authorities that this system trusts.");
ABSL_FLAG(
    bool, allow_plaintext, false,
    "Allow connections without TLS to and from other machines. Anybody on the network path can "
    "read and change their data. Without this flag, plaintext is used only on loopback and "
    "unix: addresses, and on --health_listen, which serves only health checks and reflection.");
