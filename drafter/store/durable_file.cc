#include "drafter/store/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::drafter {
namespace {

absl::Status ErrnoStatus(const char* action, const std::string& path) {
  const int error = errno;
  const std::string what = absl::StrCat("cannot ", action, " ", path);
  absl::Status status = absl::ErrnoToStatus(error, what);
  // A file size limit, a quota and a full disk all get the same code, because the operator must
  // make room in each case.
  if (error == EFBIG || error == EDQUOT || error == ENOSPC) {
    return absl::ResourceExhaustedError(status.message());
  }
  return error == EROFS ? absl::PermissionDeniedError(status.message()) : status;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }
  bool Close() {
    const int fd = fd_;
    fd_ = -1;
    return close(fd) == 0;
  }

 private:
  int fd_;
};

absl::Status NotRegular(const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": got a FIFO, a device or another special file, expected a regular file"));
}

absl::Status CheckRegular(const FileDescriptor& file, const std::string& path) {
  struct stat facts;
  if (fstat(file.get(), &facts) != 0) return ErrnoStatus("get the file type of", path);
  return S_ISREG(facts.st_mode) ? absl::OkStatus() : NotRegular(path);
}

// Flags for every open(). Without O_NONBLOCK, opening a FIFO waits until another process opens the
// other end. For regular files the flag changes nothing. With it, opening a socket, or a FIFO
// without a reader, fails with ENXIO.
constexpr int kDoNotWait = O_NONBLOCK | O_CLOEXEC;

absl::Status WriteAndFlush(const std::string& path, std::string_view bytes) {
  FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | kDoNotWait, 0600));
  if (file.get() < 0) return errno == ENXIO ? NotRegular(path) : ErrnoStatus("create", path);
  RETURN_IF_ERROR(CheckRegular(file, path));
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(file.get()) != 0) return ErrnoStatus("flush", path);
  return file.Close() ? absl::OkStatus() : ErrnoStatus("close", path);
}

absl::Status FlushDirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileDescriptor file(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || fsync(file.get()) != 0) return ErrnoStatus("flush", directory);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteFileDurably(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  absl::Status status = WriteAndFlush(temporary, bytes);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus("replace", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return FlushDirectoryOf(path);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t max_bytes) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | kDoNotWait));
  if (file.get() < 0) return errno == ENXIO ? NotRegular(path) : ErrnoStatus("open", path);
  RETURN_IF_ERROR(CheckRegular(file, path));
  std::string bytes;
  while (true) {
    constexpr std::size_t kPiece = 1 << 20;
    const std::size_t size = bytes.size();
    bytes.resize(size + kPiece);
    const ssize_t got = read(file.get(), bytes.data() + size, kPiece);
    if (got < 0 && errno != EINTR) return ErrnoStatus("read", path);
    bytes.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return bytes;
    if (bytes.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": got more than ", max_bytes, " bytes"));
    }
  }
}

}  // namespace recycling::drafter
