#include "server/status_page.h"

#include <fmt/core.h>

namespace mimo {
namespace {

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mimo: {0}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid; border-radius: 6px; }}
td {{ padding-right: 2rem; }}
</style>
</head>
<body>
<h1>{0}</h1>
<table>
<tr><td>State</td><td>{1}</td></tr>
<tr><td>Context</td><td>{2} tokens</td></tr>
<tr><td>Requests</td><td>{3} running, {4} waiting</td></tr>
<tr><td>KV cache</td><td>{5} of {6} blocks</td></tr>
</table>
<p>This server speaks OpenAI's chat completions. To try it:</p>
<pre id="curl">curl <span id="origin">http://127.0.0.1:8080</span>/v1/chat/completions -H 'Content-Type: application/json' \
  -d '{{"messages": [{{"role": "user", "content": "Hello"}}], "stream": true}}'</pre>
<p><a href="v1/models">models</a> <a href="health">health</a></p>
<script>document.getElementById("origin").textContent = location.origin;</script>
</body>
</html>
)html";

std::string EscapeHtml(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace

std::string StatusPage(const StatusPageFacts& facts) {
  return fmt::format(fmt::runtime(kPage), EscapeHtml(facts.model.empty() ? "mimo" : facts.model),
                     EscapeHtml(facts.state), facts.context_max, facts.load.running, facts.load.waiting,
                     facts.load.kv_blocks_used, facts.load.kv_blocks_total);
}

}  // namespace mimo
