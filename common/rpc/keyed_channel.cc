#include "common/rpc/keyed_channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/auth/api_keys.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

using ::grpc::experimental::InterceptionHookPoints;

class AddKey final : public grpc::experimental::Interceptor {
 public:
  explicit AddKey(std::string value) : value_(std::move(value)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->insert({"authorization", value_});
    }
    methods->Proceed();
  }

 private:
  const std::string value_;
};

class AddKeyFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit AddKeyFactory(std::string value) : value_(std::move(value)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new AddKey(value_);
  }

 private:
  const std::string value_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> KeyInterceptors(
    const std::string& key) {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
  if (!key.empty()) {
    factories.push_back(std::make_unique<AddKeyFactory>(absl::StrCat("Bearer ", key)));
  }
  return factories;
}

std::shared_ptr<grpc::Channel> CreateKeyedChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const grpc::ChannelArguments& arguments, const std::string& key) {
  if (key.empty()) return grpc::CreateCustomChannel(address, credentials, arguments);
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, credentials, arguments,
                                                                 KeyInterceptors(key));
}

absl::StatusOr<std::string> ReadKeyFile(const std::string& what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string key(ApiKeys::kLongestKey + 3, '\0');  // with an end of line
  file.read(key.data(), static_cast<std::streamsize>(key.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  key.resize(static_cast<std::size_t>(file.gcount()));
  if (!key.empty() && key.back() == '\n') key.pop_back();
  if (!key.empty() && key.back() == '\r') key.pop_back();
  RETURN_IF_ERROR(CheckKey(absl::StrCat(what, ": ", path), key));
  return key;
}

absl::Status CheckKey(const std::string& what, const std::string& key) {
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
  if (plain && !key.empty() && key.size() <= ApiKeys::kLongestKey) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, ": got no key, expected 1 to ",
                                                 ApiKeys::kLongestKey,
                                                 " printable characters without spaces"));
}

}  // namespace recycling
