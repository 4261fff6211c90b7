#include "tests/fault/method_list.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

#include "recycling/drafter/v1/drafter.pb.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::fault {
namespace {

const google::protobuf::FileDescriptor* FileOf(const std::string& name) {
  if (name == "verifier") return verifier::v1::HandshakeRequest::descriptor()->file();
  if (name == "drafter") return drafter::v1::HandshakeRequest::descriptor()->file();
  return gateway::v1::GenerateRequest::descriptor()->file();
}

TEST(MethodListTest, HasAllMethodsButDrainWithMessagesOfTheRightType) {
  for (const std::string name : {"verifier", "drafter", "gateway"}) {
    const auto methods = MethodsOf(name, {});
    const auto* file = FileOf(name);
    ASSERT_GT(file->service_count(), 0);
    for (int s = 0; s < file->service_count(); ++s) {
      const auto* service = file->service(s);
      for (int i = 0; i < service->method_count(); ++i) {
        const auto* method = service->method(i);
        const std::string path = "/" + service->full_name() + "/" + method->name();
        if (method->name() == "Drain") continue;  // it would end the service under attack
        bool found = false;
        for (const Method& listed : methods) {
          if (listed.path != path) continue;
          found = true;
          EXPECT_EQ(listed.type->GetDescriptor(), method->input_type()) << path;
        }
        EXPECT_TRUE(found) << path;
      }
    }
  }
}

}  // namespace
}  // namespace recycling::fault
