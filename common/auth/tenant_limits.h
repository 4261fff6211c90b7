#ifndef RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_
#define RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_

namespace recycling {

// What one tenant may have at once. 0 everywhere: no bound of its own.
struct TenantLimits {
  int concurrency = 0;  // requests that run at once; 0: no bound
  double rate = 0;      // requests a second, lasting; 0: no bound
  double burst = 0;     // requests that may come at once after a pause; 0: what a second gives, at
                        // least 1

  bool operator==(const TenantLimits&) const = default;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_
