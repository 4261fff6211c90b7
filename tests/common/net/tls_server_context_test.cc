#include "common/net/tls_server_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using doubles::ReplaceFile;
using ::testing::HasSubstr;

class TlsServerContextTest : public testing::Test {
 protected:
  TlsFiles Write() {
    return doubles::WriteTlsFiles(folder_.path(), "server", authority_.Issue("DNS:server"),
                                  authority_.certificate());
  }

  doubles::TempDir folder_;
  doubles::FakeClock clock_;
  doubles::CertificateAuthority authority_{"authority"};
};

TEST_F(TlsServerContextTest, UsesChangedFilesAfterASecond) {
  const TlsFiles files = Write();
  const auto context = TlsServerContext::Create({.files = files}, clock_);
  ASSERT_THAT(context, doubles::IsOk());
  const auto first = (*context)->Get();
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ((*context)->Get(), first) << "the files have not changed";
  Write();
  EXPECT_EQ((*context)->Get(), first) << "it has just looked";
  clock_.Advance(absl::Seconds(1));
  const auto second = (*context)->Get();
  EXPECT_NE(second, first);
  ReplaceFile(files.key, "half a key");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ((*context)->Get(), second) << "the new files are not valid";
}

TEST_F(TlsServerContextTest, TakesOneFileForTheCertificateAndItsKey) {
  const doubles::Identity identity = authority_.Issue("DNS:server");
  const std::string both = absl::StrCat(folder_.path(), "/both.pem");
  ReplaceFile(both, identity.certificate + identity.key);
  const auto context =
      TlsServerContext::Create({.files = {.certificate = both, .key = both}}, clock_);
  ASSERT_THAT(context, doubles::IsOk());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs((*context)->Get().get(), &chain);
  EXPECT_LE(sk_X509_num(chain), 0) << "the server would send its certificate twice";
}

TEST_F(TlsServerContextTest, RefusesFilesThatAServerCannotUse) {
  const TlsFiles files = Write();
  const auto error = [&](const ServerTlsOptions& options) {
    return std::string(TlsServerContext::Create(options, clock_).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("got no certificate"));
  EXPECT_THAT(error({.files = {.certificate = files.certificate, .key = files.key},
                     .allowed_names = {"client"}}),
              HasSubstr("no authorities"));
  EXPECT_THAT(error({.files = {.certificate = files.certificate, .key = files.ca}}),
              HasSubstr(files.ca));
}

}  // namespace
}  // namespace recycling
