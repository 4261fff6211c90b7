// CandidatesFromProto must refuse a message or return the expected number of rows with valid ids.
#include <algorithm>

#include "common/rpc/proto_convert.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The first byte of the input is the expected number of rows.
  if (size == 0) return 0;
  const std::size_t rows = data[0];
  constexpr std::uint32_t kVocab = 512;
  const auto proto =
      recycling::fuzz::ParseInput<recycling::common::v1::Candidates>(data + 1, size - 1);
  const auto candidates = recycling::CandidatesFromProto(proto, rows, kVocab);
  if (!candidates.ok()) return 0;
  FUZZ_CHECK(candidates->k >= 1 && candidates->k <= 64);
  FUZZ_CHECK(candidates->ids.size() == rows * candidates->k);
  FUZZ_CHECK(std::all_of(candidates->ids.begin(), candidates->ids.end(),
                         [](recycling::TokenId id) { return id < kVocab; }));
  return 0;
}
