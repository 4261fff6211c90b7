#include "gateway/loop/utf8.h"

namespace recycling::gateway {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What a first byte promises: continuation bytes and the range of the first of them (table 3-7 of
// the Unicode standard). missing 0: not a first byte of a longer character.
struct Lead {
  unsigned missing;
  unsigned char low;
  unsigned char high;
};

Lead LeadOf(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

void Utf8Decoder::Start(unsigned char byte, std::string* out) {
  if (byte < 0x80) {
    out->push_back(static_cast<char>(byte));
    return;
  }
  const Lead lead = LeadOf(byte);
  if (lead.missing == 0) {
    out->append(kReplacement);
    return;
  }
  pending_.assign(1, static_cast<char>(byte));
  missing_ = lead.missing;
  low_ = lead.low;
  high_ = lead.high;
}

void Utf8Decoder::AddByte(unsigned char byte, std::string* out) {
  if (missing_ == 0) return Start(byte, out);
  if (byte < low_ || byte > high_) {
    out->append(Finish());
    return Start(byte, out);
  }
  pending_.push_back(static_cast<char>(byte));
  low_ = 0x80;
  high_ = 0xBF;
  if (--missing_ == 0) {
    out->append(pending_);
    pending_.clear();
  }
}

std::string Utf8Decoder::Add(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) AddByte(static_cast<unsigned char>(byte), &out);
  return out;
}

std::string Utf8Decoder::Finish() {
  if (missing_ == 0) return "";
  missing_ = 0;
  pending_.clear();
  return std::string(kReplacement);
}

std::string ToUtf8(std::string_view bytes) {
  Utf8Decoder decoder;
  std::string out = decoder.Add(bytes);
  return out + decoder.Finish();
}

}  // namespace recycling::gateway
