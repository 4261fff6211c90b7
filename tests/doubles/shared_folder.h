// The folder of reference files. Tests may use these files, and must skip if they are absent.
#ifndef RECYCLING_TESTS_DOUBLES_SHARED_FOLDER_H_
#define RECYCLING_TESTS_DOUBLES_SHARED_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace recycling::doubles {

// $RECYCLING_SHARED if it is set, else ../shared from the project's root. Empty if the folder does
// not exist.
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
