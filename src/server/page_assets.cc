#include "server/page_assets.h"

#include <array>

#include "base/embedded_file.h"

MIMO_EMBED_FILE(char, kMimoPageIndex, MIMO_PAGE_FOLDER "/index.html", 1)
MIMO_EMBED_FILE(char, kMimoPageStyle, MIMO_PAGE_FOLDER "/page.css", 1)
MIMO_EMBED_FILE(char, kMimoPageMain, MIMO_PAGE_FOLDER "/main.js", 1)
MIMO_EMBED_FILE(char, kMimoPageApi, MIMO_PAGE_FOLDER "/api.js", 1)
MIMO_EMBED_FILE(char, kMimoPageChat, MIMO_PAGE_FOLDER "/chat.js", 1)
MIMO_EMBED_FILE(char, kMimoPageHome, MIMO_PAGE_FOLDER "/home.js", 1)
MIMO_EMBED_FILE(char, kMimoPageOperator, MIMO_PAGE_FOLDER "/operator.js", 1)
MIMO_EMBED_FILE(char, kMimoPageSettings, MIMO_PAGE_FOLDER "/settings.js", 1)
MIMO_EMBED_FILE(char, kMimoDemoHome, MIMO_DEMO_HOME, 1)

namespace mimo {
namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScript = "text/javascript; charset=utf-8";

}  // namespace

std::span<const PageFile> PageFiles() {
  static const std::array kFiles = {
      PageFile{"/", kHtml, {kMimoPageIndexBegin, kMimoPageIndexEnd}},
      PageFile{"/page/page.css", kCss, {kMimoPageStyleBegin, kMimoPageStyleEnd}},
      PageFile{"/page/main.js", kScript, {kMimoPageMainBegin, kMimoPageMainEnd}},
      PageFile{"/page/api.js", kScript, {kMimoPageApiBegin, kMimoPageApiEnd}},
      PageFile{"/page/chat.js", kScript, {kMimoPageChatBegin, kMimoPageChatEnd}},
      PageFile{"/page/home.js", kScript, {kMimoPageHomeBegin, kMimoPageHomeEnd}},
      PageFile{"/page/operator.js", kScript, {kMimoPageOperatorBegin, kMimoPageOperatorEnd}},
      PageFile{"/page/settings.js", kScript, {kMimoPageSettingsBegin, kMimoPageSettingsEnd}},
  };
  return kFiles;
}

std::string_view DemoHomeAsset() { return {kMimoDemoHomeBegin, kMimoDemoHomeEnd}; }

}  // namespace mimo
