#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/log.h"
#include "common/program/choice_flag.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"
#include "gateway/cli/matrix_fill.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling::cli {
namespace {

constexpr std::pair<absl::string_view, common::v1::MatrixScope> kScopes[] = {
    {"tenant", common::v1::MATRIX_SCOPE_TENANT}, {"shared", common::v1::MATRIX_SCOPE_SHARED}};

}  // namespace
}  // namespace recycling::cli

ABSL_FLAG(std::string, drafter, "127.0.0.1:50052",
          "Address of the drafter, host:port or unix:/path.");
ABSL_FLAG(recycling::ChoiceFlag<recycling::cli::kScopes>, scope,
          recycling::common::v1::MATRIX_SCOPE_TENANT,
          "Which matrix: tenant (the matrix of --tenant) or shared (the matrix of all tenants).");
ABSL_FLAG(std::string, verifier, "127.0.0.1:50051",
          "Address of the verifier that 'matrix fill' asks, host:port or unix:/path. If it has API "
          "keys, the client needs one of role peer.");
ABSL_FLAG(std::string, out, "", "File that 'matrix fill' writes, for --base_matrix of a drafter.");

namespace recycling::cli {
namespace {

using drafter::v1::DrafterService;

constexpr char kMatrixProgram[] = "recycling matrix";
constexpr std::size_t kChunkBytes = 256 << 10;

struct Target {
  common::v1::MatrixScope scope = common::v1::MATRIX_SCOPE_TENANT;
  std::string tenant;
};

int FailRpc(const absl::Status& status) {
  const std::string address = absl::GetFlag(FLAGS_drafter);
  return Fail(kMatrixProgram, absl::StrCat("drafter ", address), Explain(status, address));
}

int FailVerifier(const absl::Status& status) {
  const std::string address = absl::GetFlag(FLAGS_verifier);
  return Fail(kMatrixProgram, absl::StrCat("verifier ", address), Explain(status, address));
}

int FailFile(const std::string& path) {
  std::fprintf(stderr, "%s: %s: %s\n", kMatrixProgram, path.c_str(), std::strerror(errno));
  return kExitFailure;
}

std::string MatrixText(const drafter::v1::MatrixInfo& matrix) {
  const bool shared = matrix.scope() == common::v1::MATRIX_SCOPE_SHARED;
  const bool request = matrix.scope() == common::v1::MATRIX_SCOPE_REQUEST;
  return absl::StrFormat("%-8s %-20s %10d %14d %12d\n",
                         shared    ? "shared"
                         : request ? "request"
                                   : "tenant",
                         Escaped(matrix.tenant()), matrix.rows_filled(), matrix.row_updates(),
                         matrix.bytes());
}

std::string InfoText(const drafter::v1::GetMatrixInfoResponse& info) {
  std::string text = absl::StrCat(
      "drafter    ", Escaped(info.drafter_id()), ", ", info.open_sessions(), " open sessions\n",
      "model      ",
      info.has_model() ? absl::StrCat(Escaped(info.model().model_id()), ", vocabulary ",
                                      info.model().vocab_size(), ", k ", info.k())
                       : "none yet",
      "\nmemory     ", info.bytes(), " of ", info.max_bytes(), " bytes\n\n");
  absl::StrAppend(&text, absl::StrFormat("%-8s %-20s %10s %14s %12s\n", "scope", "tenant", "rows",
                                         "row updates", "bytes"));
  for (const auto& matrix : info.matrices()) absl::StrAppend(&text, MatrixText(matrix));
  return text;
}

int Info(DrafterService::Stub& stub) {
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  drafter::v1::GetMatrixInfoResponse info;
  const absl::Status status = FromGrpcStatus(
      stub.GetMatrixInfo(call.context(), drafter::v1::GetMatrixInfoRequest(), &info));
  if (!status.ok()) return FailRpc(status);
  const bool json = absl::GetFlag(FLAGS_json);
  return Print(kMatrixProgram, json ? MatrixInfoJson(info) : InfoText(info)) ? kExitOk
                                                                             : kExitFailure;
}

// The file in the same folder that is written first and then renamed to `path`. So only a complete
// file replaces `path`.
std::string TemporaryOf(const std::string& path) {
  return absl::StrCat(path, ".", getpid(), ".tmp");
}

int Save(DrafterService::Stub& stub, const Target& target, const std::string& path) {
  const std::string temporary = TemporaryOf(path);
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  if (!file) return FailFile(temporary);
  drafter::v1::SaveMatrixRequest request;
  request.set_scope(target.scope);
  request.set_tenant(target.tenant);
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  const auto stream = stub.SaveMatrix(call.context(), request);
  drafter::v1::SaveMatrixResponse response;
  std::size_t bytes = 0;
  while (file && stream->Read(&response)) {
    file << response.chunk();
    bytes += response.chunk().size();
  }
  file.close();
  if (!file) call.context()->TryCancel();
  const int write_error = errno;
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (file && status.ok() && std::rename(temporary.c_str(), path.c_str()) == 0) {
    std::fprintf(stderr, "saved %zu bytes to %s\n", bytes, path.c_str());
    return kExitOk;
  }
  if (!file) errno = write_error;
  const int code = file && !status.ok() ? FailRpc(status) : FailFile(path);
  std::remove(temporary.c_str());
  return code;
}

int Load(DrafterService::Stub& stub, const Target& target, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return FailFile(path);
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  drafter::v1::LoadMatrixResponse response;
  const auto stream = stub.LoadMatrix(call.context(), &response);
  drafter::v1::LoadMatrixRequest request;
  request.mutable_target()->set_scope(target.scope);
  request.mutable_target()->set_tenant(target.tenant);
  bool open = stream->Write(request);
  std::string chunk(kChunkBytes, '\0');
  while (open && (file.read(chunk.data(), kChunkBytes) || file.gcount() > 0)) {
    request.set_chunk(chunk.substr(0, static_cast<std::size_t>(file.gcount())));
    open = stream->Write(request);
  }
  if (file.bad()) {
    call.context()->TryCancel();
    stream->Finish();
    return FailFile(path);
  }
  stream->WritesDone();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (!status.ok()) return FailRpc(status);
  const bool json = absl::GetFlag(FLAGS_json);
  const std::string text = json ? MatrixJson(response.matrix())
                                : absl::StrCat("loaded ", response.matrix().rows_filled(),
                                               " rows, ", response.matrix().bytes(), " bytes\n");
  return Print(kMatrixProgram, text) ? kExitOk : kExitFailure;
}

// Replaces `path` with `bytes`. If that fails, says so and returns false.
bool WriteFile(const std::string& path, const std::string& bytes) {
  const std::string temporary = TemporaryOf(path);
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return true;
  FailFile(path);
  std::remove(temporary.c_str());
  return false;
}

void ShowProgress(std::uint32_t done, std::uint32_t all) {
  if (!StderrIsTerminal()) return;
  std::fprintf(stderr, "\r%u of %u tokens%s", done, all, done == all ? "\r\x1b[K" : "");
}

int Fill(const std::string& path) {
  if (path.empty()) return FailUsage(kMatrixProgram, "--out: got none, expected a file");
  const auto channel = Connect("--verifier", absl::GetFlag(FLAGS_verifier));
  if (!channel.ok()) return FailUsage(kMatrixProgram, std::string(channel.status().message()));
  // It takes minutes for a large model, so find out before whether the file can be written.
  const std::string temporary = TemporaryOf(path);
  if (!std::ofstream(temporary, std::ios::binary | std::ios::trunc)) return FailFile(temporary);
  std::remove(temporary.c_str());
  const auto stub = verifier::v1::VerifierService::NewStub(*channel);
  const auto matrix = FillMatrix(*stub, absl::GetFlag(FLAGS_timeout), ShowProgress);
  if (!matrix.ok()) {
    if (StderrIsTerminal()) std::fputs("\r\x1b[K", stderr);  // the progress
    return FailVerifier(matrix.status());
  }
  const std::string bytes = EncodeFilledMatrix(*matrix);
  if (!WriteFile(path, bytes)) return kExitFailure;
  std::fprintf(stderr, "wrote %u rows of %u candidates of the model %s, %zu bytes, to %s\n",
               matrix->model.vocab_size, matrix->k, Escaped(matrix->model.model_id).c_str(),
               bytes.size(), path.c_str());
  return kExitOk;
}

Target TargetFromFlags() {
  const common::v1::MatrixScope scope = absl::GetFlag(FLAGS_scope).value();
  const bool tenant = scope == common::v1::MATRIX_SCOPE_TENANT;
  return {.scope = scope, .tenant = tenant ? absl::GetFlag(FLAGS_tenant) : ""};
}

}  // namespace

ProgramInfo MatrixInfo() {
  return {
      .name = kMatrixProgram,
      .summary =
          "Shows, saves and loads a drafter's adjacency matrices, and fills a base matrix. The "
          "arguments are info, save FILE, load FILE or fill. 'matrix fill' asks a verifier for the "
          "model's candidates after each single token and writes them to --out.",
      .examples =
          "recycling matrix info\n"
          "recycling matrix save default.matrix --drafter 127.0.0.1:50052\n"
          "recycling matrix load default.matrix --tenant default\n"
          "recycling matrix fill --verifier 127.0.0.1:50051 --out model.gguf.base_matrix\n",
      .flags = WithConnectionFlags({GroupOf("Matrix", FLAGS_drafter, FLAGS_scope, FLAGS_tenant),
                                    GroupOf("Base matrix", FLAGS_verifier, FLAGS_out)})};
}

int RunMatrix(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "fill") return Fill(absl::GetFlag(FLAGS_out));
  const Target target = TargetFromFlags();
  const auto channel = Connect("--drafter", absl::GetFlag(FLAGS_drafter));
  if (!channel.ok()) return FailUsage(kMatrixProgram, std::string(channel.status().message()));
  const auto stub = DrafterService::NewStub(*channel);
  if (words.size() == 1 && words[0] == "info") return Info(*stub);
  if (words.size() == 2 && words[0] == "save") return Save(*stub, target, words[1]);
  if (words.size() == 2 && words[0] == "load") return Load(*stub, target, words[1]);
  return FailUsage(kMatrixProgram, "expected info, save FILE, load FILE or fill");
}

}  // namespace recycling::cli
