#pragma once
// SIGINT (and SIGTERM) as a flag that long work looks at.

#include <atomic>

namespace mimo {

// From now on the first signal sets the flag; a second one before ClearInterrupt ends the program at once.
// Blocking reads return with EINTR.
void CatchInterrupts();

// Any thread.
const std::atomic<bool>& Interrupted();

void ClearInterrupt();

}  // namespace mimo
