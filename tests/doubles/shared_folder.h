// The reference files beside the project. Tests may use them, and must skip without them.
#ifndef RECYCLING_TESTS_DOUBLES_SHARED_FOLDER_H_
#define RECYCLING_TESTS_DOUBLES_SHARED_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace recycling::doubles {

// $RECYCLING_SHARED, else ../shared from the project's root; empty if there is no such folder.
inline std::string SharedFolder() {
  const char* named = std::getenv("RECYCLING_SHARED");
  const char* source = std::getenv("RECYCLING_SOURCE_DIR");
  const std::string path = named != nullptr
                               ? std::string(named)
                               : std::string(source == nullptr ? "." : source) + "/../shared";
  return std::filesystem::is_directory(path) ? path : "";
}

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_SHARED_FOLDER_H_
