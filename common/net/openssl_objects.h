// Owners of OpenSSL's objects, for the files of this folder.
#ifndef RECYCLING_COMMON_NET_OPENSSL_OBJECTS_H_
#define RECYCLING_COMMON_NET_OPENSSL_OBJECTS_H_

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace recycling {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// Reads from `pem`, which must outlive the result. Forgets OpenSSL's errors of this thread.
inline Bio Reader(const std::string& pem) {
  ERR_clear_error();
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// For OpenSSL's functions that would otherwise ask for a password on the terminal.
inline int NoPassword(char*, int, int, void*) { return 0; }

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_OPENSSL_OBJECTS_H_
