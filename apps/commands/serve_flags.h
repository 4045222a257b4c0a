#pragma once
// The flags of `mimo serve`.

#include <string>

#include "apps/commands/served_model_flags.h"
#include "server/serve.h"

namespace mimo {

struct ServeFlags {
  ServedModelFlags served;
  ServeOptions options;
  uint32_t queue_seconds = 0;
  uint32_t body_megabytes_max = 64;
  uint32_t drain_seconds = 30;
  std::string log_format = "text";
  std::string log_level = "info";
};

// `flags` must live until the command has run.
void AddServeFlags(CLI::App& command, ServeFlags* flags);

// Sets the log up, reads the price card and the aliases, and moves what has another unit into
// `flags->options`.
Status FinishServeFlags(ServeFlags* flags);

}  // namespace mimo
