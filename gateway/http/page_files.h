// The files of the chat page (page/README.md). The build puts them into the program.
#ifndef RECYCLING_GATEWAY_HTTP_PAGE_FILES_H_
#define RECYCLING_GATEWAY_HTTP_PAGE_FILES_H_

#include <span>
#include <string_view>

namespace recycling::gateway {

struct PageFile {
  std::string_view path;  // of the URL: "/" or "/page/chat.js"
  std::string_view content_type;
  std::string_view bytes;
};

std::span<const PageFile> PageFiles();

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_PAGE_FILES_H_
