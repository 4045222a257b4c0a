#pragma once
// GET /health: 200 while a request would be served, else 503 with the reason.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_server.h"

namespace mimo {

// Why no request is served now.
struct Obstacle {
  std::string_view state;          // "loading", "draining" or "failing", for programs
  std::string reason;              // for people
  std::optional<double> progress;  // of the present stage of loading, from 0 to 1
  std::chrono::seconds retry_after{1};
};

Obstacle DrainingObstacle();
// Says how far the newest progress bar is.
Obstacle LoadingObstacle();
Obstacle FailingObstacle(std::string reason);

HttpReply HealthReply(const std::optional<Obstacle>& obstacle);

}  // namespace mimo
