#include "server/health.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/progress_bar.h"
#include "server/api_error.h"

namespace mimo {
namespace {

// What comes after this process can be there in no time, or after loading for minutes.
constexpr std::chrono::seconds kRestartTime{5};
// Somebody may look at an engine that fails and start it again.
constexpr std::chrono::seconds kRepairTime{30};
constexpr double kLoadingTimeMax = 120;

}  // namespace

Obstacle DrainingObstacle() {
  return {.state = "draining",
          .reason = "the server is shutting down",
          .progress = std::nullopt,
          .retry_after = kRestartTime};
}

Obstacle LoadingObstacle() {
  Obstacle obstacle{.state = "loading", .reason = "the model is still loading", .progress = std::nullopt};
  const auto bar = ProgressBar::Current();
  if (!bar) return obstacle;
  obstacle.progress = bar->fraction;
  obstacle.reason += fmt::format(" ({}: {:.0f} %)", bar->label, 100 * bar->fraction);
  if (bar->fraction > 0) {
    const double seconds_left = bar->elapsed.count() * (1 - bar->fraction) / bar->fraction;
    obstacle.retry_after =
        std::chrono::seconds(1 + static_cast<int64_t>(std::min(seconds_left, kLoadingTimeMax)));
  }
  return obstacle;
}

Obstacle FailingObstacle(std::string reason) {
  return {
      .state = "failing", .reason = std::move(reason), .progress = std::nullopt, .retry_after = kRepairTime};
}

HttpReply HealthReply(const std::optional<Obstacle>& obstacle) {
  HttpReply reply;
  if (!obstacle) {
    reply.body = R"({"status":"ok"})";
    return reply;
  }
  const ApiError error{.code = ErrorCode::kUnavailable,
                       .message = obstacle->reason,
                       .param = {},
                       .reason = {},
                       .retry_after = obstacle->retry_after};
  Json body = ErrorJson(error);
  body["status"] = obstacle->state;
  if (obstacle->progress) body["progress"] = *obstacle->progress;
  reply = ErrorReply(error);
  reply.body = DumpJson(body);
  return reply;
}

}  // namespace mimo
