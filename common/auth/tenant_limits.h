#ifndef RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_
#define RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_

namespace recycling {

// Limits of one tenant.
struct TenantLimits {
  int concurrency = 0;  // requests that run at once; 0: no limit
  double rate = 0;      // requests per second in the long run; 0: no limit
  double burst = 0;     // requests at once after a pause; 0: `rate` times 1 s, at least 1

  bool operator==(const TenantLimits&) const = default;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_AUTH_TENANT_LIMITS_H_
