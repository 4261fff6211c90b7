// Replaces libFuzzer in builds without it. The arguments are files and folders. Runs
// LLVMFuzzerTestOneInput on every file, on the empty input, and on 64 truncated, spliced or
// bit-flipped variants of each file. Exits with 1 if there is no file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kVariantsPerFile = 64;

void Feed(const std::string& name, const Bytes& input) {
  // Print the name before the run, so that after a crash the last line names the input.
  std::fprintf(stderr, "replay: %s, %zu bytes\n", name.c_str(), input.size());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

Bytes Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

Bytes Mutate(Bytes input, const Bytes& other, std::mt19937_64& random) {
  switch (random() % 3) {
    case 0:
      input.resize(random() % (input.size() + 1));
      break;
    case 1:
      input.resize(random() % (input.size() + 1));
      input.insert(input.end(),
                   other.end() - static_cast<std::ptrdiff_t>(random() % (other.size() + 1)),
                   other.end());
      break;
    default:
      for (std::uint64_t flips = 1 + random() % 8; flips > 0 && !input.empty(); --flips) {
        input[random() % input.size()] ^= static_cast<std::uint8_t>(1u << (random() % 8));
      }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
        files.push_back(entry.path());
      }
    } else if (std::filesystem::exists(argv[i])) {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "replay: no file in the corpus, expected at least one seed\n");
    return 1;
  }

  std::vector<Bytes> inputs;
  for (const auto& file : files) {
    inputs.push_back(Read(file));
    Feed(file.string(), inputs.back());
  }
  Feed("nothing", {});
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (int variant = 0; variant < kVariantsPerFile; ++variant) {
      const Bytes& other = inputs[random() % inputs.size()];
      Feed(files[i].string() + " variant " + std::to_string(variant),
           Mutate(inputs[i], other, random));
    }
  }
  std::fprintf(stderr, "replay: done, %zu files\n", files.size());
  return 0;
}
