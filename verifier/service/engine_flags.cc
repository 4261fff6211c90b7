#include "verifier/service/engine_flags.h"

#include "absl/flags/flag.h"

ABSL_FLAG(
    int, threads, 0,
    "Threads of the forward pass, at most 1024. 0: one for each physical core that this process "
    "may use, by its affinity mask and the limits of its control groups.");
ABSL_FLAG(std::uint32_t, context_length, 0,
          "The most tokens that a sequence may have, prompt and output together, up to 1048576. 0: "
          "as many as the model was trained for.");
ABSL_FLAG(
    std::string, kv_type, "f16",
    "Number format of the cached keys and values: f16, or f32, which takes twice the memory.");
ABSL_FLAG(
    std::string, pretokenizer, "",
    "Name of the pre-tokenizer to use in place of that of the file, for a file that names an "
    "unknown one. A wrong one gives other ids than the model was trained with, and poor text.");
ABSL_FLAG(int, max_sequences, 8, "Sequences that may be open at once, 1 to 4096.");
ABSL_FLAG(std::string, arithmetic, "fast",
          "Arithmetic of the forward pass. fast: activations are rounded to 8 bits. exact: all "
          "numbers are floats; this is slow and serves as a reference for tests.");
ABSL_FLAG(std::string, kernel, "auto",
          "Kernel of the fast arithmetic: portable, avx2, avx512, avx512-vnni or amx. auto: the "
          "best that this machine can run, or in a verifier the faster of two for each number of "
          "rows. All kernels give the same tokens.");
