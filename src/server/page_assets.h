#pragma once

#include <span>
#include <string_view>

namespace mimo {

// A file of assets/page, as the browser asks for it.
struct PageFile {
  std::string_view path;  // "/" or "/page/NAME"
  std::string_view content_type;
  std::string_view bytes;
};

std::span<const PageFile> PageFiles();
std::string_view DemoHomeAsset();  // assets/demo_home.json

}  // namespace mimo
