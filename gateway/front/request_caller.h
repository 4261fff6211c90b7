// A caller that a transport has checked, as the RequestRunner takes it.
#ifndef RECYCLING_GATEWAY_FRONT_REQUEST_CALLER_H_
#define RECYCLING_GATEWAY_FRONT_REQUEST_CALLER_H_

#include "common/rpc/caller_check.h"
#include "gateway/front/request_runner.h"

namespace recycling::gateway {

// The caller with the limits of its line in the key file, if the line gives any.
inline RequestCaller RequestCallerOf(const Caller& caller) {
  RequestCaller known{.tenant = caller.tenant, .limits = {}};
  if (caller.limited) known.limits = caller.limits;
  return known;
}

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_CALLER_H_
