#include "apps/commands/replay_worker.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <optional>
#include <span>
#include <utility>

#include "apps/commands/generation.h"
#include "apps/commands/model_session.h"
#include "base/json.h"

namespace mimo {
namespace {

// Messages between the two processes: a length and that many bytes. Both are this program.
bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

bool ReceiveAll(int socket, std::span<char> out) {
  while (!out.empty()) {
    const ssize_t count = recv(socket, out.data(), out.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    out = out.subspan(static_cast<size_t>(count));
  }
  return true;
}

bool SendMessage(int socket, const std::string& message) {
  const uint64_t size = message.size();
  return SendAll(socket, {reinterpret_cast<const char*>(&size), sizeof(size)}) && SendAll(socket, message);
}

std::optional<std::string> ReceiveMessage(int socket) {
  uint64_t size = 0;
  if (!ReceiveAll(socket, {reinterpret_cast<char*>(&size), sizeof(size)})) return std::nullopt;
  std::string message(size, '\0');
  if (!ReceiveAll(socket, message)) return std::nullopt;
  return message;
}

Json ErrorJson(const Error& error) {
  return {{"error", error.message}, {"code", static_cast<int>(error.code)}};
}

Json Answer(Engine& engine, const Json& request) {
  GenerationRequest generation;
  generation.prompt = request["prompt"].get<std::vector<TokenId>>();
  generation.max_tokens = request["max_tokens"].get<uint32_t>();
  generation.sampling.temperature = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto ignore = [](const std::string&) { return Status(); };
  Result<GenerationOutcome> outcome = Generate(engine, std::move(generation), ignore);
  if (!outcome) return ErrorJson(outcome.error());
  if (outcome->finish == FinishReason::kCancelled) return ErrorJson({ErrorCode::kCancelled, "interrupted"});
  const GenerationUsage& usage = outcome->usage;
  return {{"tokens", outcome->tokens},
          {"text", outcome->text},
          {"cached", usage.cached_tokens},
          {"replayed", usage.replayed_tokens},
          {"is_stopped", outcome->finish == FinishReason::kStop},
          {"first_token_ns", (usage.queue_time + usage.prefill_time).count()},
          {"total_ns", (std::chrono::steady_clock::now() - begin).count()}};
}

}  // namespace

void ReplayWorker::RunProcess(const ModelFlags& flags, int socket) {
  Result<ModelSession> session = OpenModelSession(flags, {.sequences_max = 1});
  while (const std::optional<std::string> message = ReceiveMessage(socket)) {
    const Result<Json> request = ParseJson(*message);
    const Json reply = session ? Answer(*session->engine, *request) : ErrorJson(session.error());
    if (!SendMessage(socket, DumpJson(reply))) break;
  }
  if (session) session->engine.reset();  // writes what waits for the disk
  _exit(0);                              // not the parent's exit handlers
}

Status ReplayWorker::Start() {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Internal("no socket for the engine's process");
  }
  process_ = fork();
  if (process_ < 0) return ResourceExhausted("the engine's process cannot be started");
  if (process_ == 0) {
    // A copy of another worker's socket would keep that worker waiting after the parent closed its own.
    const auto kept = static_cast<unsigned>(ends[1]);
    (void)close_range(STDERR_FILENO + 1, kept - 1, 0);
    (void)close_range(kept + 1, UINT_MAX, 0);
    RunProcess(flags_, ends[1]);
  }
  close(ends[1]);
  socket_ = ends[0];
  return {};
}

Result<ReplayReply> ReplayWorker::Generate(const std::vector<TokenId>& prompt, uint32_t max_tokens) {
  if (process_ < 0) MIMO_RETURN_IF_ERROR(Start());
  const bool is_sent = SendMessage(socket_, DumpJson({{"prompt", prompt}, {"max_tokens", max_tokens}}));
  const std::optional<std::string> message = is_sent ? ReceiveMessage(socket_) : std::nullopt;
  if (!message) {
    Kill();
    return Unavailable("the engine's process ended without a reply");
  }
  MIMO_ASSIGN_OR_RETURN(const Json reply, ParseJson(*message));
  if (reply.contains("error")) {
    return MakeError(static_cast<ErrorCode>(reply["code"].get<int>()), "{}",
                     reply["error"].get<std::string>());
  }
  ReplayReply result;
  result.tokens = reply["tokens"].get<std::vector<TokenId>>();
  result.text = reply["text"].get<std::string>();
  result.is_stopped = reply["is_stopped"].get<bool>();
  result.cached_tokens = reply["cached"].get<uint32_t>();
  result.replayed_tokens = reply["replayed"].get<uint32_t>();
  result.first_token_time = std::chrono::nanoseconds(reply["first_token_ns"].get<int64_t>());
  result.total_time = std::chrono::nanoseconds(reply["total_ns"].get<int64_t>());
  return result;
}

void ReplayWorker::Stop() {
  if (process_ < 0) return;
  close(std::exchange(socket_, -1));  // the process sees the end of its requests
  waitpid(std::exchange(process_, -1), nullptr, 0);
}

void ReplayWorker::Kill() {
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  Stop();
}

}  // namespace mimo
