#pragma once
// Starts the processes of a ProcessGroup on this machine.

#include <string>
#include <vector>

#include "base/status.h"

namespace mimo {

// Whether this process was started as one of a group: by RunWorkers, or by torchrun.
bool IsWorker();

// Runs this program `count` times with `arguments` (the whole command line, name included), as a group with
// an equal share of the cores for each, and waits for all. SIGINT and SIGTERM go on to the workers; when one
// fails, the others are ended; when this process dies, so do they. kUnavailable names the first that failed:
// its own message is on stderr. Call it before any thread was started.
Status RunWorkers(int count, const std::vector<std::string>& arguments);

}  // namespace mimo
