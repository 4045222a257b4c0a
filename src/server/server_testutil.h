#pragma once
// A server on a free port with an engine that does what the test says, and a client that writes raw bytes.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "server/server.h"
#include "server/socket_io.h"
#include "text/bpe_byte_alphabet.h"

namespace mimo {

// What a model writes to call a tool.
inline constexpr char kCallText[] =
    "<tool_call>\n<function=set_light>\n<parameter=room>hall</parameter>\n<parameter=level>3</parameter>\n"
    "</function>\n</tool_call>";

// Hands every request to `on_submit`, which may deliver events at once, or later through Deliver().
class FakeEngine final : public Engine {
 public:
  std::function<void(const GenerationRequest&, const EventSink&)> on_submit;
  std::optional<EngineError> submit_error;
  Status health;
  ModelConfig model_config;
  uint32_t context = 4096;
  KvCacheConfig kv_config;

  EngineResult<RequestId> Submit(GenerationRequest request, EventSink sink) override {
    std::unique_lock lock(mutex_);
    if (submit_error) return tl::unexpected(*submit_error);
    const RequestId id{next_id_++};
    requests_.push_back(request);
    sinks_[id.value] = sink;
    lock.unlock();
    if (on_submit) on_submit(request, sink);
    changed_.notify_all();
    return id;
  }
  void Cancel(RequestId id) override {
    EventSink sink;
    {
      const std::lock_guard lock(mutex_);
      cancelled_.insert(id.value);
      sink = sinks_[id.value];
    }
    changed_.notify_all();
    GenerationEvent event;
    event.finish = FinishReason::kCancelled;
    sink(std::move(event));
  }
  uint32_t context_max() const override { return context; }
  const ModelConfig& config() const override { return model_config; }
  KvCacheConfig kv_cache_config() const override { return kv_config; }
  Status Health() const override { return health; }
  Load load() const override { return {}; }

  // To the request that was submitted as number `index`, from 0.
  void Deliver(size_t index, GenerationEvent event) { sinks_.at(index)(std::move(event)); }
  // As an engine does once requests have ended.
  void ForgetSinks() {
    const std::lock_guard lock(mutex_);
    sinks_.clear();
  }
  bool WaitForRequests(size_t count) {
    return WaitUntil([&] { return requests_.size() >= count; });
  }
  bool WaitForCancel(uint64_t id) {
    return WaitUntil([&] { return cancelled_.contains(id); });
  }
  std::vector<GenerationRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  bool WaitUntil(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_id_ = 0;
  std::vector<GenerationRequest> requests_;
  std::map<uint64_t, EventSink> sinks_;
  std::set<uint64_t> cancelled_;
};

// A vocabulary of the 256 bytes and a few added tokens, in which every text can be written.
inline Result<Tokenizer> MakeByteTokenizer() {
  TokenizerData data;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    data.tokens.push_back(EncodeByteAlphabet(std::string(1, static_cast<char>(byte))));
  }
  for (const char* added :
       {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "<tool_call><function="}) {
    TokenizerData::AddedToken token;
    token.id = static_cast<TokenId>(data.tokens.size());
    token.content = added;
    token.special = token.content.starts_with("<|");
    data.tokens.emplace_back(added);
    data.added_tokens.push_back(token);
  }
  return Tokenizer::Create(std::move(data));
}

constexpr TokenId kTestEndToken = 257;       // <|im_end|>
constexpr TokenId kTestToolCallToken = 259;  // <tool_call>; 260 is <tool_call><function=
constexpr uint32_t kTestVocabSize = 261;

// The text as byte tokens, one event for each piece, then the end.
inline std::vector<GenerationEvent> EventsOf(const std::vector<std::string>& pieces, FinishReason finish,
                                             uint32_t prompt_tokens = 10) {
  std::vector<GenerationEvent> events;
  GenerationUsage usage;
  usage.prompt_tokens = prompt_tokens;
  usage.cached_tokens = 4;
  for (const std::string& piece : pieces) {
    GenerationEvent event;
    event.text = piece;
    for (const char byte : piece) {
      event.tokens.push_back({.token = static_cast<uint8_t>(byte), .logprob = -0.5F, .top = {}});
    }
    usage.completion_tokens += static_cast<uint32_t>(piece.size());
    event.usage = usage;
    events.push_back(std::move(event));
  }
  GenerationEvent last;
  if (finish == FinishReason::kStop) {
    last.tokens.push_back({.token = kTestEndToken, .logprob = -0.1F, .top = {}});
    ++usage.completion_tokens;
  }
  last.finish = finish;
  last.usage = usage;
  events.push_back(std::move(last));
  return events;
}

struct ClientReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined

  Json json() const {
    Result<Json> parsed = ParseJson(body);
    EXPECT_TRUE(parsed.has_value()) << body;
    return parsed ? *parsed : Json();
  }
  // The data of the stream's events, "[DONE]" included.
  std::vector<std::string> events() const {
    std::vector<std::string> result;
    for (size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
      const size_t end = body.find("\n\n", at);
      result.push_back(body.substr(at + 6, end - at - 6));
      at = end;
    }
    return result;
  }
};

class RawClient {
 public:
  explicit RawClient(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server closed: what it said before can still be read
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void SendPost(std::string_view path, std::string_view body, std::string_view headers = "") {
    Send(fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(),
                     headers, body));
  }
  // Everything up to and including `marker`; shorter when the server closes first or is silent for 10 s.
  std::string ReadUntil(std::string_view marker) {
    while (input_.find(marker) == std::string::npos && Fill()) {
    }
    const size_t at = input_.find(marker);
    return Take(at == std::string::npos ? input_.size() : at + marker.size());
  }
  ClientReply ReadReply() {
    ClientReply reply;
    const std::string head = ReadUntil("\r\n\r\n");
    if (head.size() > 12) reply.status = std::atoi(head.c_str() + 9);
    for (size_t at = head.find("\r\n"); at + 4 < head.size();) {
      const size_t end = head.find("\r\n", at + 2);
      const std::string line = head.substr(at + 2, end - at - 2);
      std::string name = line.substr(0, line.find(':'));
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      reply.headers[name] = line.substr(std::min(line.size(), name.size() + 2));
      at = end;
    }
    if (reply.headers.contains("transfer-encoding")) {
      for (;;) {
        const size_t size = std::strtoul(ReadUntil("\r\n").c_str(), nullptr, 16);
        const std::string chunk = ReadExactly(size + 2);
        if (size == 0 || chunk.size() < size + 2) break;
        reply.body += chunk.substr(0, size);
      }
    } else if (reply.headers.contains("content-length")) {
      reply.body = ReadExactly(std::strtoul(reply.headers["content-length"].c_str(), nullptr, 10));
    }
    return reply;
  }
  // True when the server closes the connection within 10 s, or resets it, as the system does with one that
  // the server had not accepted when it ended.
  bool IsClosedByServer() {
    while (Fill()) {
    }
    return closed_;
  }

 private:
  bool Fill() {
    char buffer[4096];
    if (WaitReadable(socket_, std::chrono::seconds(10)) == SocketReady::kTimeout) return false;
    const ssize_t size = recv(socket_, buffer, sizeof(buffer), 0);
    if (size <= 0) {
      closed_ = true;
      return false;
    }
    input_.append(buffer, static_cast<size_t>(size));
    return true;
  }
  std::string ReadExactly(size_t size) {
    while (input_.size() < size && Fill()) {
    }
    return Take(std::min(size, input_.size()));
  }
  std::string Take(size_t size) {
    std::string result = input_.substr(0, size);
    input_.erase(0, size);
    return result;
  }

  int socket_;
  std::string input_;
  bool closed_ = false;
};

inline std::string ChatBody(std::string_view more = "") {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"hi"}}]{}{}}})", more.empty() ? "" : ",",
                     more);
}

// A running server with the model set.
class ServerTest : public testing::Test {
 protected:
  // For tests that need others.
  virtual void Configure(ApiServerOptions& /*options*/) {}

  void SetUp() override {
    ApiServerOptions options;
    options.http.port = 0;
    options.http.body_bytes_max = 1 << 20;
    options.generation.keep_alive_interval = std::chrono::milliseconds(50);
    options.generation.poll_interval = std::chrono::milliseconds(20);
    Configure(options);
    Result<std::unique_ptr<ApiServer>> server = ApiServer::Start(options);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    if (set_model_at_start_) SetModel();
  }
  void SetModel() {
    Result<Tokenizer> tokenizer = MakeByteTokenizer();
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
    ServedModel model;
    model.id = "mimo-v2-flash";
    model.aliases = aliases_;
    model.policy = policy_;
    model.chat_template = ChatTemplate(ChatTemplateKind::kMimoV2Flash);
    model.tokenizer = std::make_unique<Tokenizer>(std::move(*tokenizer));
    auto engine = std::make_unique<FakeEngine>();
    engine_ = engine.get();
    engine_->model_config.vocab_size = kTestVocabSize;
    model.engine = std::move(engine);
    server_->SetModel(std::move(model));
  }
  // Every request is answered with these pieces at once.
  void AnswerWith(std::vector<std::string> pieces, FinishReason finish = FinishReason::kStop) {
    engine_->on_submit = [pieces = std::move(pieces), finish](const GenerationRequest& request,
                                                              const EventSink& sink) {
      for (GenerationEvent& event : EventsOf(pieces, finish, static_cast<uint32_t>(request.prompt.size()))) {
        sink(std::move(event));
      }
    };
  }
  ClientReply Post(std::string_view path, std::string_view body, std::string_view headers = "") {
    RawClient client(server_->port());
    client.SendPost(path, body, headers);
    return client.ReadReply();
  }
  ClientReply Chat(std::string_view more = "") { return Post("/v1/chat/completions", ChatBody(more)); }
  ClientReply Request(std::string_view method, std::string_view path, std::string_view headers = "") {
    RawClient client(server_->port());
    client.Send(fmt::format("{} {} HTTP/1.1\r\nHost: test\r\n{}\r\n", method, path, headers));
    return client.ReadReply();
  }

  // With the aliases and the policy that a test has set since; the engine is a new one.
  void Restart() {
    server_.reset();
    SetUp();
  }

  bool set_model_at_start_ = true;
  std::vector<ModelAlias> aliases_ = {{.name = "XiaomiMiMo/MiMo-V2-Flash"}};
  ChatPolicy policy_;
  std::unique_ptr<ApiServer> server_;
  FakeEngine* engine_ = nullptr;  // owned by the server
};

}  // namespace mimo
