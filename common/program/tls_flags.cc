#include "common/program/tls_flags.h"

#include "absl/flags/flag.h"

ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with this program's certificate, followed by the certificates that link it to "
          "its authority; needs --tls_key. With it, a service speaks only TLS on --listen. "
          "'recycling' shows it to servers that ask for a certificate, and needs --tls_ca as well. "
          "A running program reads the TLS files again within seconds after they change.");
ABSL_FLAG(std::string, tls_key, "", "PEM file with the private key of --tls_cert, not encrypted.");
ABSL_FLAG(
    std::string, tls_ca, "",
    "PEM file with the certificates of authorities, one of which must have signed the other "
    "side's certificate. For a service that is the client's certificate; empty: clients need "
    "none. For 'recycling' it is the server's; with it 'recycling' speaks only TLS, without it "
    "plaintext. /etc/ssl/certs/ca-certificates.crt holds the authorities that this system "
    "trusts.");
ABSL_FLAG(bool, allow_plaintext, false,
          "Allow connections without TLS beyond this machine. Whoever is on their way can read and "
          "change what they carry. Without it only loopback and unix: addresses are reached in "
          "plaintext, except --health_listen, which is always plaintext and tells nothing else.");
