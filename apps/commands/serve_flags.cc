#include "apps/commands/serve_flags.h"

#include <CLI/CLI.hpp>
#include <map>

#include "apps/commands/config_file.h"
#include "apps/commands/price_flags.h"
#include "base/log.h"

namespace mimo {
namespace {

const std::map<std::string, LogFormat> kLogFormats = {{"text", LogFormat::kText}, {"json", LogFormat::kJson}};
const std::map<std::string, LogLevel> kLogLevels = {{"debug", LogLevel::kDebug},
                                                    {"info", LogLevel::kInfo},
                                                    {"warning", LogLevel::kWarning},
                                                    {"error", LogLevel::kError}};

// Adds options of the server's group.
class FlagAdder {
 public:
  explicit FlagAdder(CLI::App& command) : command_(command) {}
  template <typename Value>
  CLI::Option* operator()(const std::string& name, Value& value, const std::string& help) {
    return command_.add_option(name, value, help)->group(kServerGroup)->capture_default_str();
  }
  CLI::Option* Flag(const std::string& name, bool& value, const std::string& help) {
    return command_.add_flag(name, value, help)->group(kServerGroup);
  }

 private:
  CLI::App& command_;
};

void AddNetworkFlags(FlagAdder& add, ServeFlags* flags) {
  HttpServerOptions& http = flags->options.api.http;
  add("--host", http.host, "address to listen on");
  add("--port", http.port, "0: any free one")->check(CLI::Range(0, 65535));
  add("--tls-cert", http.tls_certificate, "PEM file with the certificate and its chain: serves https");
  add("--tls-key", http.tls_key, "PEM file with the certificate's key");
  add("--cors-origin", flags->options.api.cors_origins,
      "origins such as https://chat.example whose pages may use the server from a browser; *: all");
  add("--connections", http.connections_max, "open at once; beyond it 503")->check(CLI::Range(1, 1000));
  add("--body-max", flags->body_megabytes_max, "MiB of a request's body, unpacked")
      ->check(CLI::Range(1, 4096));
  add("--drain-timeout", flags->drain_seconds, "seconds that running requests get after SIGTERM")
      ->check(CLI::Range(0, 86400));
}

void AddSchedulerFlags(FlagAdder& add, ServeFlags* flags) {
  EngineOptions& engine = flags->served.engine;
  add("--queue-requests", engine.queue.requests_max, "that may wait; beyond it 503")
      ->check(CLI::Range(1, 1'000'000));
  add("--queue-tokens", engine.queue.prompt_tokens_max, "of all prompts that may wait; beyond it 503");
  add("--queue-requests-per-key", engine.queue.owner_requests_max, "beyond it 429")
      ->check(CLI::Range(1, 1'000'000));
  add("--queue-tokens-per-key", engine.queue.owner_prompt_tokens_max, "beyond it 429");
  add("--queue-timeout", flags->queue_seconds, "seconds after which a waiting request is given up; 0: never")
      ->check(CLI::Range(0, 86400));
  add("--decode-stretch", engine.decode_stretch_max,
      "how much longer prompts may make a step of running requests; 0: without limit")
      ->check(CLI::Range(0.0, 1000.0));
}

void AddAccountFlags(FlagAdder& add, ServeFlags* flags) {
  ApiServerOptions& api = flags->options.api;
  add("--api-keys", api.keys_path, "file of API keys (`mimo keys`); without it everybody may use the server");
  add("--requests-per-minute", api.limit_defaults.requests_per_minute, "of keys without a limit; 0: none");
  add("--tokens-per-minute", api.limit_defaults.tokens_per_minute, "of keys without a limit; 0: none");
  add("--concurrent-requests", api.limit_defaults.concurrent, "of keys without a limit; 0: none");
  add("--usage-db", api.usage.path, "SQLite file that keeps the usage; without it usage is kept in memory");
  add.Flag("--open-metrics", api.open_metrics, "/metrics without a key");
}

void AddLogFlags(FlagAdder& add, ServeFlags* flags) {
  add("--log-format", flags->log_format, "of the log on stderr")->check(CLI::IsMember(kLogFormats));
  add("--log-level", flags->log_level, "the lowest that is written")->check(CLI::IsMember(kLogLevels));
  add.Flag("--log-prompts", flags->options.api.log_prompts, "bodies of requests in the log: private text");
}

}  // namespace

void AddServeFlags(CLI::App& command, ServeFlags* flags) {
  AddServedModelFlags(command, &flags->served);
  FlagAdder add(command);
  AddNetworkFlags(add, flags);
  AddSchedulerFlags(add, flags);
  AddAccountFlags(add, flags);
  AddLogFlags(add, flags);
}

Status FinishServeFlags(ServeFlags* flags) {
  SetLogFormat(kLogFormats.at(flags->log_format));
  SetLogLevel(kLogLevels.at(flags->log_level));
  flags->options.api.http.body_bytes_max = uint64_t{flags->body_megabytes_max} << 20;
  flags->served.engine.queue_time_max = std::chrono::seconds(flags->queue_seconds);
  flags->options.drain_timeout = std::chrono::seconds(flags->drain_seconds);
  MIMO_ASSIGN_OR_RETURN(flags->options.api.prices, ReadPriceCard(flags->served.model.config));
  return FinishServedModelFlags(&flags->served);
}

}  // namespace mimo
