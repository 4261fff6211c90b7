#include "common/net/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/doubles/certificates.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using doubles::CertificateAuthority;
using doubles::ReplaceFile;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  void ExpectWrong(const TlsFiles& files, const std::string& file, const std::string& what) {
    const auto material = ReadTlsFiles(files);
    EXPECT_EQ(material.status().code(), absl::StatusCode::kInvalidArgument) << material.status();
    EXPECT_THAT(std::string(material.status().message()), AllOf(HasSubstr(file), HasSubstr(what)));
  }

  doubles::TempDir folder_;
  CertificateAuthority authority_{"authority"};
  doubles::Identity identity_ = authority_.Issue("DNS:here", absl::Hours(5));
  TlsFiles files_ =
      doubles::WriteTlsFiles(folder_.path(), "here", identity_, authority_.certificate());
};

TEST_F(TlsFilesTest, ReadsValidFiles) {
  const auto material = ReadTlsFiles(files_);
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->identity, identity_.certificate + "\n" + identity_.key);
  EXPECT_EQ(material->ca, authority_.certificate());
  EXPECT_GT(material->expires, absl::Now() + absl::Hours(4));
  EXPECT_LT(material->expires, absl::Now() + absl::Hours(6));
  EXPECT_EQ(*material, *ReadTlsFiles(files_));
}

TEST_F(TlsFilesTest, IdentityOrAuthoritiesMayBeAbsent) {
  const auto only_ca = ReadTlsFiles({.ca = files_.ca});
  ASSERT_TRUE(only_ca.ok()) << only_ca.status();
  EXPECT_EQ(only_ca->identity, "");
  const auto only_identity = ReadTlsFiles({.certificate = files_.certificate, .key = files_.key});
  ASSERT_TRUE(only_identity.ok()) << only_identity.status();
  EXPECT_EQ(only_identity->ca, "");
}

TEST_F(TlsFilesTest, AcceptsAChainAfterTheLeaf) {
  ReplaceFile(files_.certificate, identity_.certificate + authority_.certificate());
  EXPECT_TRUE(ReadTlsFiles(files_).ok());
  ReplaceFile(files_.certificate, authority_.certificate() + identity_.certificate);
  ExpectWrong(files_, files_.key, "not that of the first certificate in " + files_.certificate);
}

TEST_F(TlsFilesTest, NamesTheFileThatCannotBeRead) {
  for (const std::string* path : {&files_.certificate, &files_.key, &files_.ca}) {
    const std::string kept = *path + ".kept";
    std::filesystem::rename(*path, kept);
    ExpectWrong(files_, *path, "cannot read it: No such file");
    std::filesystem::create_directory(*path);
    ExpectWrong(files_, *path, "cannot read it: Is a directory");
    std::filesystem::remove(*path);
    std::filesystem::rename(kept, *path);
  }
  EXPECT_TRUE(ReadTlsFiles(files_).ok());
}

TEST_F(TlsFilesTest, NamesAFileWithTheWrongContent) {
  for (const std::string bytes : {"", "certainly not PEM"}) {
    ReplaceFile(files_.certificate, bytes);
    ExpectWrong(files_, files_.certificate, "no certificate in it");
    ReplaceFile(files_.certificate, identity_.certificate);
    ReplaceFile(files_.key, bytes);
    ExpectWrong(files_, files_.key, "no private key in it");
    ReplaceFile(files_.key, identity_.key);
    ReplaceFile(files_.ca, bytes);
    ExpectWrong(files_, files_.ca, "no certificate in it");
    ReplaceFile(files_.ca, authority_.certificate());
  }
  ReplaceFile(files_.ca, std::string((1 << 20) + 1, 'a'));
  ExpectWrong(files_, files_.ca, "more than 1048576 bytes");
}

TEST_F(TlsFilesTest, NamesADamagedCertificate) {
  std::string damaged = identity_.certificate;
  damaged.erase(damaged.size() / 2, 8);
  ReplaceFile(files_.certificate, damaged);
  ExpectWrong(files_, files_.certificate, "certificate 1 cannot be read");
  ReplaceFile(files_.certificate, identity_.certificate);
  ReplaceFile(files_.ca, authority_.certificate() + damaged);
  ExpectWrong(files_, files_.ca, "certificate 2 cannot be read");
}

TEST_F(TlsFilesTest, RefusesTheKeyOfAnotherCertificate) {
  ReplaceFile(files_.key, authority_.Issue("DNS:here").key);
  ExpectWrong(files_, files_.key, "not that of the first certificate in " + files_.certificate);
}

TEST_F(TlsFilesTest, RefusesAnEncryptedKeyWithoutAskingForAPassword) {
  ReplaceFile(files_.key,
              "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n");
  ExpectWrong(files_, files_.key, "encrypted");
}

TEST_F(TlsFilesTest, RefusesAnExpiredCertificate) {
  const auto expired = authority_.Issue("DNS:here", -absl::Hours(1));
  ReplaceFile(files_.certificate, expired.certificate);
  ReplaceFile(files_.key, expired.key);
  ExpectWrong(files_, files_.certificate, "expired at");
}

TEST_F(TlsFilesTest, RefusesACertificateWithoutAKeyAndAKeyWithoutACertificate) {
  ExpectWrong({.certificate = files_.certificate}, files_.certificate, "without a key");
  ExpectWrong({.key = files_.key}, files_.key, "without a certificate");
}

TEST_F(TlsFilesTest, ParsesFilesOnlyWhenTheirBytesChange) {
  TlsFileReader reader(files_);
  const std::string first = identity_.certificate + "\n" + identity_.key;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.Read().value().identity, first);
  EXPECT_EQ(reader.parses(), 1);
  ReplaceFile(files_.key, "half a k");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(reader.Read().ok());
  EXPECT_EQ(reader.parses(), 2) << "invalid files are also parsed only once";
  ReplaceFile(files_.key, identity_.key);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.Read().value().identity, first);
  EXPECT_EQ(reader.parses(), 3);
  std::filesystem::remove(files_.key);
  EXPECT_FALSE(reader.Read().ok());
  EXPECT_EQ(reader.parses(), 3) << "there was nothing to parse";
}

}  // namespace
}  // namespace recycling
