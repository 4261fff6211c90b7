// Snapshot::Parse must refuse the bytes, or restore a memory that encodes to the same bytes. A base
// matrix of the bytes must hold the same rows.
#include <openssl/sha.h>

#include <string>
#include <vector>

#include "drafter/store/base_matrix.h"
#include "drafter/store/snapshot.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // If the first byte is even, append the correct checksum to the rest, because a fuzzer cannot
  // find it.
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 2 == 0) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(data + 1, size - 1, digest);
    bytes.append(reinterpret_cast<const char*>(digest), sizeof(digest));
  }
  constexpr std::uint64_t kRoom = 1 << 23;
  const auto base = recycling::drafter::ParseBaseMatrix("file", bytes, kRoom);
  const auto snapshot = recycling::drafter::Snapshot::Parse(bytes);
  FUZZ_CHECK(snapshot.ok() || base.status().code() == snapshot.status().code());
  if (!snapshot.ok()) return 0;
  const recycling::drafter::MatrixBinding& binding = snapshot->binding();
  FUZZ_CHECK(recycling::drafter::ValidateBinding(binding).ok());
  if (binding.model.vocab_size > (1u << 16)) return 0;  // allowed, but slow to fill
  recycling::drafter::ScopeMemory memory(binding.model.vocab_size, binding.k);
  while (memory.pairs.bits() < snapshot->pair_bits()) memory.pairs.Grow();
  snapshot->Restore(&memory);
  FUZZ_CHECK(memory.matrix.rows_filled() == snapshot->rows());
  if (base.ok()) {
    FUZZ_CHECK((*base)->binding == binding);
    FUZZ_CHECK((*base)->matrix.memory_bytes() <= kRoom);
    std::vector<recycling::TokenId> own(binding.k), same(binding.k);
    for (recycling::TokenId token = 0; token < binding.model.vocab_size; ++token) {
      const auto ids = memory.matrix.ReadRow(token, own);
      FUZZ_CHECK((*base)->matrix.ReadRow(token, same) == ids && own == same);
    }
  } else {
    FUZZ_CHECK(absl::IsResourceExhausted(base.status()));
  }
  // Restoring numbers from before base rows adds classes.
  const std::string again = recycling::drafter::EncodeSnapshot(binding.model, memory);
  constexpr std::size_t kAdded = 12 * 8;
  FUZZ_CHECK(again == bytes || again.size() == bytes.size() + kAdded);
  return 0;
}
