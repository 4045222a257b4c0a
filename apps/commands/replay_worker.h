#pragma once
// The engine of a replay, in a process of its own: so it can end as a server ends, or be killed as one.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/commands/model_flags.h"
#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

struct ReplayReply {
  std::vector<TokenId> tokens;  // with the stop token
  std::string text;
  bool is_stopped = false;       // ended by the model, not by the limit
  uint32_t cached_tokens = 0;    // of the prompt
  uint32_t replayed_tokens = 0;  // cached, but computed again for the windows of sliding layers
  std::chrono::nanoseconds first_token_time{0};  // from the request on
  std::chrono::nanoseconds total_time{0};
};

// Not thread-safe. To be made while this process has one thread: it forks.
class ReplayWorker {
 public:
  explicit ReplayWorker(ModelFlags flags) : flags_(std::move(flags)) {}
  ~ReplayWorker() { Stop(); }
  ReplayWorker(const ReplayWorker&) = delete;
  ReplayWorker& operator=(const ReplayWorker&) = delete;

  // Greedy. Starts the process if there is none. kUnavailable when it died.
  Result<ReplayReply> Generate(const std::vector<TokenId>& prompt, uint32_t max_tokens);

  // Lets the process end, which writes what it has queued; nothing where there is none.
  void Stop();
  // SIGKILL.
  void Kill();

 private:
  Status Start();
  [[noreturn]] static void RunProcess(const ModelFlags& flags, int socket);

  const ModelFlags flags_;
  pid_t process_ = -1;
  int socket_ = -1;
};

}  // namespace mimo
