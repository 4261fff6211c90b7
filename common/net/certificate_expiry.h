#ifndef RECYCLING_COMMON_NET_CERTIFICATE_EXPIRY_H_
#define RECYCLING_COMMON_NET_CERTIFICATE_EXPIRY_H_

#include <optional>

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling {

// When the certificate in use ends. The credentials set it, and metrics read it. Threads: any.
class CertificateExpiry {
 public:
  void Set(absl::Time expires) {
    MutexLock lock(mutex_);
    expires_ = expires;
  }

  // Nothing if no certificate is in use.
  std::optional<absl::Time> Get() const {
    MutexLock lock(mutex_);
    return expires_;
  }

 private:
  mutable Mutex mutex_;
  std::optional<absl::Time> expires_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_CERTIFICATE_EXPIRY_H_
