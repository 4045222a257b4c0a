#pragma once

#include <string_view>

namespace mimo {

std::string_view PageAsset();      // assets/page/index.html
std::string_view DemoHomeAsset();  // assets/demo_home.json

}  // namespace mimo
