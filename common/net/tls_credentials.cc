#include "common/net/tls_credentials.h"

#include <fcntl.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
constexpr unsigned int kRefreshSeconds = 1;

// Bytes in memory under a path that gRPC can watch as a file. New content replaces the old in one
// step. The new modification time is at least one second later than the old one. gRPC compares the
// times before and after it reads the files, to see whether they changed meanwhile. The descriptor
// is never closed, because gRPC may read the path after the other objects here are destroyed.
// Threads: one at a time.
class MemoryFile {
 public:
  absl::Status Write(const std::string& bytes) {
    const int fresh = memfd_create("tls", MFD_CLOEXEC);
    if (fresh < 0) return Failed("create");
    modified_ = std::max(modified_ + 1, std::time(nullptr));
    const timespec times[2] = {{.tv_sec = modified_}, {.tv_sec = modified_}};
    const bool written =
        write(fresh, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
        futimens(fresh, times) == 0;
    if (!written || (fd_ >= 0 && dup3(fresh, fd_, O_CLOEXEC) < 0)) {
      const absl::Status failed = Failed("write");
      close(fresh);
      return failed;
    }
    if (fd_ >= 0) {
      close(fresh);
    } else {
      fd_ = fresh;
    }
    return absl::OkStatus();
  }

  std::string path() const { return fd_ < 0 ? "" : absl::StrCat("/proc/self/fd/", fd_); }

 private:
  static absl::Status Failed(const char* what) {
    return absl::UnavailableError(
        absl::StrCat("TLS: cannot ", what, " a file in memory: ", std::strerror(errno)));
  }

  int fd_ = -1;
  std::time_t modified_ = 0;
};

// Gives the content of the files to gRPC, now and whenever it changes. gRPC's own watcher reads
// copies in memory, so it never reads a certificate together with the key of another.
class TlsWatch {
 public:
  // `expiry` may be null.
  static absl::StatusOr<std::shared_ptr<TlsWatch>> Start(
      const TlsFiles& files, std::shared_ptr<CertificateExpiry> expiry) {
    std::shared_ptr<TlsWatch> watch(new TlsWatch(files, std::move(expiry)));
    ASSIGN_OR_RETURN(TlsMaterial material, watch->reader_.Read());
    RETURN_IF_ERROR(watch->Take(std::move(material)).status());
    const std::string identity = watch->identity_.path();
    const std::string ca = watch->ca_.path();
    for (const std::string& path : {identity, ca}) {
      if (!path.empty() && access(path.c_str(), R_OK) != 0) {
        return absl::UnavailableError(
            absl::StrCat("TLS: cannot read ", path, ": ", std::strerror(errno)));
      }
    }
    watch->provider_ = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
        identity, identity, ca, kRefreshSeconds);
    watch->thread_ = std::thread([self = watch.get()] { self->Look(); });
    return watch;
  }

  ~TlsWatch() {
    {
      MutexLock lock(mutex_);
      stopped_ = true;
    }
    stop_.NotifyAll();
    if (thread_.joinable()) thread_.join();
  }

  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const {
    return provider_;
  }

 private:
  TlsWatch(TlsFiles files, std::shared_ptr<CertificateExpiry> expiry)
      : files_(std::move(files)), expiry_(std::move(expiry)), reader_(files_) {}

  // Uses `material` from now on. Returns the files whose content has changed.
  absl::StatusOr<std::vector<std::string>> Take(TlsMaterial material) {
    std::vector<std::string> taken;
    if (!files_.certificate.empty() && material.identity != material_.identity) {
      RETURN_IF_ERROR(identity_.Write(material.identity));
      taken.push_back(files_.certificate);
    }
    if (!files_.ca.empty() && material.ca != material_.ca) {
      RETURN_IF_ERROR(ca_.Write(material.ca));
      taken.push_back(files_.ca);
    }
    material_ = std::move(material);
    if (expiry_ != nullptr && !files_.certificate.empty()) expiry_->Set(material_.expires);
    return taken;
  }

  absl::Status TakeAndLog(TlsMaterial material) {
    const absl::Time expires = material.expires;
    ASSIGN_OR_RETURN(const auto taken, Take(std::move(material)));
    Log(LogLevel::kInfo, "TLS files changed; the new ones are in use",
        {{"files", absl::StrJoin(taken, ",")}, {"expires", absl::FormatTime(expires)}});
    return absl::OkStatus();
  }

  void Look() {
    std::string complaint;  // the last error, so that each error is logged once
    while (true) {
      {
        MutexLock lock(mutex_);
        if (!stopped_) stop_.WaitFor(mutex_, kLook);
        if (stopped_) return;
      }
      absl::StatusOr<TlsMaterial> material = reader_.Read();
      absl::Status status = material.status();
      if (status.ok() && *material != material_) status = TakeAndLog(*std::move(material));
      if (!status.ok() && complaint != status.message()) {
        Log(LogLevel::kError, "the new TLS files are not valid; the old ones stay in use",
            {{"error", std::string(status.message())}});
      }
      complaint = std::string(status.message());
    }
  }

  const TlsFiles files_;
  const std::shared_ptr<CertificateExpiry> expiry_;
  std::shared_ptr<grpc::experimental::FileWatcherCertificateProvider> provider_;

  // Start uses these, and after it only the thread does.
  TlsFileReader reader_;
  TlsMaterial material_;  // in use
  MemoryFile identity_;
  MemoryFile ca_;

  Mutex mutex_;
  CondVar stop_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Trusts a server only if its certificate has one of the names. An authority must have signed the
// certificate.
class ServerNameCheck final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit ServerNameCheck(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>, grpc::Status* status) override {
    for (const grpc::string_ref& name : request->dns_names()) {
      if (std::find(allowed_.begin(), allowed_.end(), std::string(name.data(), name.size())) !=
          allowed_.end()) {
        return true;
      }
    }
    *status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                           "the server's certificate has none of the expected names");
    return true;
  }

  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::vector<std::string> allowed_;
};

// Refuses clients whose certificate has none of the names.
class ClientNameCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit ClientNameCheck(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata&, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    std::vector<std::string> names;
    for (const grpc::string_ref& name : context->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
      names.emplace_back(name.data(), name.size());
      if (std::find(allowed_.begin(), allowed_.end(), names.back()) != allowed_.end()) {
        return grpc::Status::OK;
      }
    }
    return grpc::Status(
        grpc::StatusCode::PERMISSION_DENIED,
        absl::StrCat("client certificate: got names [", absl::StrJoin(names, ", ").substr(0, 256),
                     "], expected one that this server allows"));
  }

 private:
  const std::vector<std::string> allowed_;
};

}  // namespace

absl::Status CheckServerTls(const ServerTlsOptions& options) {
  if (options.files.certificate.empty() && options.files.key.empty()) {
    return absl::InvalidArgumentError("TLS: got no certificate, which a server needs");
  }
  if (!options.allowed_names.empty() && options.files.ca.empty()) {
    return absl::InvalidArgumentError(
        "TLS: got allowed client names, but no authorities that sign clients' certificates");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(
    const ServerTlsOptions& options) {
  RETURN_IF_ERROR(CheckServerTls(options));
  ASSIGN_OR_RETURN(const auto watch, TlsWatch::Start(options.files, options.expiry));
  grpc::experimental::TlsServerCredentialsOptions tls(watch->provider());
  tls.watch_identity_key_cert_pairs();
  if (!options.files.ca.empty()) {
    tls.watch_root_certs();
    tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  auto credentials = grpc::experimental::TlsServerCredentials(tls);
  if (!options.allowed_names.empty()) {
    credentials->SetAuthMetadataProcessor(std::make_shared<ClientNameCheck>(options.allowed_names));
  }
  using Both = std::pair<std::shared_ptr<TlsWatch>, std::shared_ptr<grpc::ServerCredentials>>;
  const auto both = std::make_shared<Both>(watch, std::move(credentials));
  return std::shared_ptr<grpc::ServerCredentials>(both, both->second.get());
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateChannelCredentials(
    const ChannelTlsOptions& options) {
  if (options.files.ca.empty()) {
    return absl::InvalidArgumentError(
        "TLS: got no authorities, expected a file of those that sign servers' certificates");
  }
  ASSIGN_OR_RETURN(const auto watch, TlsWatch::Start(options.files, options.expiry));
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(watch->provider());
  tls.watch_root_certs();
  if (!options.files.certificate.empty()) tls.watch_identity_key_cert_pairs();
  if (!options.names.empty()) {
    tls.set_certificate_verifier(
        grpc::experimental::ExternalCertificateVerifier::Create<ServerNameCheck>(options.names));
    tls.set_check_call_host(false);
  }
  auto credentials = grpc::experimental::TlsCredentials(tls);
  using Both = std::pair<std::shared_ptr<TlsWatch>, std::shared_ptr<grpc::ChannelCredentials>>;
  const auto both = std::make_shared<Both>(watch, std::move(credentials));
  return std::shared_ptr<grpc::ChannelCredentials>(both, both->second.get());
}

}  // namespace recycling
