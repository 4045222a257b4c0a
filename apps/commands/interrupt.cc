#include "apps/commands/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace mimo {
namespace {

constexpr int kExitInterrupted = 1;

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void HandleSignal(int /*signal*/) {
  if (interrupted.exchange(true)) _exit(kExitInterrupted);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const std::atomic<bool>& Interrupted() { return interrupted; }

void ClearInterrupt() { interrupted = false; }

}  // namespace mimo
