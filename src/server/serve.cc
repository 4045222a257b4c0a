#include "server/serve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "server/socket_io.h"

namespace mimo {
namespace {

// Bytes in this pipe are signals and the end of loading, in the order they came.
int wake_pipe[2] = {-1, -1};
constexpr char kSignal = 's';
constexpr char kLoaded = 'l';
constexpr char kReload = 'r';

void Wake(char reason) {
  const int saved_errno = errno;
  // A full pipe loses a signal only after thousands of them.
  [[maybe_unused]] const ssize_t written = write(wake_pipe[1], &reason, 1);
  errno = saved_errno;
}

void OnSignal(int number) { Wake(number == SIGHUP ? kReload : kSignal); }

void TakeOverSignals() {
  MIMO_CHECK(wake_pipe[0] < 0);
  MIMO_CHECK(pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) == 0);
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // On a terminal it means that the terminal is gone, and the program should be too.
  if (isatty(STDERR_FILENO) == 0) sigaction(SIGHUP, &action, nullptr);
}

// True when a byte came before the timeout; `reason` is then what it was.
std::optional<char> WaitForWake(std::chrono::milliseconds timeout) {
  if (WaitReadable(wake_pipe[0], timeout) != SocketReady::kYes) return std::nullopt;
  char reason = 0;
  return read(wake_pipe[0], &reason, 1) == 1 ? std::optional(reason) : std::nullopt;
}

char WaitForWake() {
  for (;;) {
    if (const auto reason = WaitForWake(std::chrono::hours(1))) return *reason;
  }
}

Result<ServedModel> LoadUnlessSignalled(const std::function<Result<ServedModel>()>& load) {
  Result<ServedModel> model = Internal("loading has not run");
  std::thread loading([&] {
    model = load();
    Wake(kLoaded);
  });
  char reason = kReload;  // keys that change while the model loads are noticed without a signal
  while (reason == kReload) reason = WaitForWake();
  if (reason == kSignal) {
    LogInfo("interrupted while the model was loading");
    std::_Exit(EXIT_SUCCESS);
  }
  loading.join();
  return model;
}

void Drain(ApiServer& server, std::chrono::seconds timeout) {
  server.BeginDrain();
  const uint32_t active = server.num_active();
  if (active > 0)
    LogInfo("finishing {} requests, at most {} s; a second signal cancels them", active, timeout.count());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (server.num_active() > 0 && std::chrono::steady_clock::now() < deadline) {
    if (WaitForWake(std::chrono::milliseconds(50)) == kSignal) break;
  }
  server.CancelRunning();
  // Time for the last words to the clients; then the connections are broken.
  const auto last = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (server.num_active() > 0 && std::chrono::steady_clock::now() < last) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

Status Serve(const ServeOptions& options, const std::function<Result<ServedModel>()>& load) {
  TakeOverSignals();
  MIMO_ASSIGN_OR_RETURN(const std::unique_ptr<ApiServer> server, ApiServer::Start(options.api));
  const char* scheme = options.api.http.tls_certificate.empty() ? "http" : "https";
  const std::string url = fmt::format("{}://{}:{}", scheme, options.api.http.host, server->port());
  LogInfo("listening on {}, loading the model", url);
  if (options.api.keys_path.empty() && !IsLoopback(options.api.http.host)) {
    LogWarning(
        "everybody who reaches {} may use it: make keys with `mimo keys` and give them with --api-keys",
        options.api.http.host);
  }
  MIMO_ASSIGN_OR_RETURN(ServedModel model, LoadUnlessSignalled(load));
  const std::string id = model.id;
  server->SetModel(std::move(model));
  LogInfo("serving {} on {}", id, url);
  LogInfo(
      "try: curl {}/v1/chat/completions -H 'Content-Type: application/json' -d "
      "'{{\"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'",
      url);
  while (WaitForWake() != kSignal) server->Reload();
  Drain(*server, options.drain_timeout);
  LogInfo("stopped");
  return {};
}

}  // namespace mimo
