// Snapshot::Parse must refuse the bytes, or restore a memory that encodes to the same bytes.
#include <openssl/sha.h>

#include <string>

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
  const auto snapshot = recycling::drafter::Snapshot::Parse(bytes);
  if (!snapshot.ok()) return 0;
  const recycling::drafter::MatrixBinding& binding = snapshot->binding();
  FUZZ_CHECK(recycling::drafter::ValidateBinding(binding).ok());
  if (binding.model.vocab_size > (1u << 16)) return 0;  // allowed, but slow to fill
  recycling::drafter::ScopeMemory memory(binding.model.vocab_size, binding.k);
  while (memory.pairs.bits() < snapshot->pair_bits()) memory.pairs.Grow();
  snapshot->Restore(&memory);
  FUZZ_CHECK(memory.matrix.rows_filled() == snapshot->rows());
  FUZZ_CHECK(recycling::drafter::EncodeSnapshot(binding.model, memory) == bytes);
  return 0;
}
