#pragma once
// `mimo serve`: from the open port to the last reply.

#include <chrono>
#include <functional>

#include "base/status.h"
#include "server/server.h"

namespace mimo {

struct ServeOptions {
  ApiServerOptions api;
  std::chrono::seconds drain_timeout{30};  // how long running requests may take after the first signal
};

// Opens the port, then loads the model while /health answers 503, then serves until SIGINT or SIGTERM. The
// first signal stops new requests and lets running ones finish within drain_timeout; a second one cancels
// them. Returns Ok after a signal, and an error when the port cannot be opened or the model cannot be loaded.
// SIGHUP reads the API keys and the certificate again, unless stderr is a terminal. Takes over SIGINT,
// SIGTERM and SIGHUP. Once per process. A signal during `load` ends the process at once with exit code 0,
// because loading cannot be interrupted and has nothing to save.
Status Serve(const ServeOptions& options, const std::function<Result<ServedModel>()>& load);

}  // namespace mimo
