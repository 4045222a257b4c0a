#pragma once
// POST /v1/chat/completions, from the body to the last byte of the reply.

#include <atomic>
#include <chrono>

#include "server/http_server.h"
#include "server/served_model.h"

namespace mimo {

struct ChatRouteOptions {
  // A stream without news gets a comment this often: clients and proxies give up on silent connections.
  std::chrono::milliseconds keep_alive_interval{5000};
  // How often a waiting request looks whether its client has gone or the server is ending.
  std::chrono::milliseconds poll_interval{250};
};

// `model` and `ending` must outlive the reply. When `ending` becomes true, running generations are cancelled
// and their clients told so.
HttpReply HandleChatCompletion(const HttpRequest& request, const ServedModel& model,
                               const ChatRouteOptions& options, const std::atomic<bool>& ending);

}  // namespace mimo
