#include "common/rpc/status_details.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>
#include <functional>

namespace recycling {
namespace {

using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedInputStream;
using ::google::protobuf::io::CodedOutputStream;

constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr std::size_t kMostBytes = 64 << 10;

std::string Encode(const std::function<void(CodedOutputStream*)>& write) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream sink(&bytes);
    CodedOutputStream out(&sink);
    write(&out);
  }
  return bytes;
}

// Calls `take` with every submessage `field` of the message in `bytes`. False if it cannot be read.
bool ForEachMessage(std::string_view bytes, int field,
                    const std::function<void(std::string_view)>& take) {
  const std::uint32_t wanted =
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  for (std::uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    std::string message;
    std::uint32_t size = 0;
    if (tag != wanted) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    if (!in.ReadVarint32(&size) || size > bytes.size() ||
        !in.ReadString(&message, static_cast<int>(size))) {
      return false;
    }
    take(message);
  }
  return in.ConsumedEntireMessage();
}

std::optional<absl::Duration> DecodeRetryInfo(std::string_view bytes) {
  std::optional<absl::Duration> delay;
  const bool readable = ForEachMessage(bytes, 1, [&](std::string_view message) {
    google::protobuf::Duration duration;
    if (!duration.ParseFromString(std::string(message))) return;
    delay = std::max(absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()),
                     absl::ZeroDuration());
  });
  return readable ? delay : std::nullopt;
}

}  // namespace

std::string EncodeStatusDetails(int code, const std::string& message, absl::Duration retry_delay) {
  google::protobuf::Duration duration;
  absl::Duration rest;
  duration.set_seconds(absl::IDivDuration(retry_delay, absl::Seconds(1), &rest));
  duration.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
  google::protobuf::Any detail;
  detail.set_type_url(kRetryInfo);
  detail.set_value(Encode([&](CodedOutputStream* out) {
    WireFormatLite::WriteBytes(1, duration.SerializeAsString(), out);
  }));
  return Encode([&](CodedOutputStream* out) {
    WireFormatLite::WriteInt32(1, code, out);
    WireFormatLite::WriteString(2, message, out);
    WireFormatLite::WriteBytes(3, detail.SerializeAsString(), out);
  });
}

std::optional<absl::Duration> DecodeRetryDelay(std::string_view bytes) {
  if (bytes.size() > kMostBytes) return {};
  std::optional<absl::Duration> delay;
  const bool readable = ForEachMessage(bytes, 3, [&](std::string_view message) {
    google::protobuf::Any detail;
    if (!detail.ParseFromString(std::string(message)) || detail.type_url() != kRetryInfo) return;
    if (const auto found = DecodeRetryInfo(detail.value()); found.has_value()) delay = found;
  });
  return readable ? delay : std::nullopt;
}

}  // namespace recycling
