#include "server/agent_trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/json.h"

namespace mimo {
namespace {

constexpr uint64_t kCountMax = uint64_t{1} << 50;  // of tokens: sums and products with prices stay exact
constexpr size_t kTurnsMax = 1'000'000;

std::optional<uint64_t> ReadCount(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const uint64_t count = found->get<uint64_t>();
  return count <= kCountMax ? std::optional(count) : std::nullopt;
}

const Json* FindObject(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

Result<std::vector<TokenId>> ReadTokens(const Json& list, const char* name) {
  if (!list.is_array()) return InvalidArgument("'{}' must be a list of token ids", name);
  std::vector<TokenId> tokens;
  tokens.reserve(list.size());
  for (const Json& token : list) {
    if (!token.is_number_unsigned() || token.get<uint64_t>() > std::numeric_limits<TokenId>::max()) {
      return InvalidArgument("'{}' must be a list of token ids", name);
    }
    tokens.push_back(token.get<TokenId>());
  }
  return tokens;
}

bool IsAssistant(const Json& message) {
  const auto role = message.is_object() ? message.find("role") : message.end();
  return message.is_object() && role != message.end() && *role == "assistant";
}

// What the log says the request was charged for: of the response or beside it.
std::optional<TokenCounts> RecordedUsage(const Json& line) {
  if (const Json* usage = FindObject(line, "usage")) return ReadUsage(*usage);
  const Json* response = FindObject(line, "response");
  if (response == nullptr) return std::nullopt;
  if (const Json* body = FindObject(*response, "body")) response = body;
  const Json* usage = FindObject(*response, "usage");
  return usage == nullptr ? std::nullopt : ReadUsage(*usage);
}

class TraceReader {
 public:
  Status AddLine(const Json& line) {
    if (!line.is_object()) return InvalidArgument("a line must be a JSON object");
    if (line.contains("role") && !line.contains("messages")) {
      log_.push_back(line);
      return {};
    }
    // A log of requests, or a batch file, wraps what was sent.
    const Json* request = FindObject(line, "request");
    if (request == nullptr) request = FindObject(line, "body");
    return AddTurn(line, request == nullptr ? line : *request);
  }

  Result<AgentTrace> Finish() {
    if (!log_.empty()) {
      TraceTurn turn;
      turn.id = NextId();
      MIMO_RETURN_IF_ERROR(AddConversation(std::move(turn), Json{{"messages", log_}}));
    }
    if (trace_.turns.empty()) return InvalidArgument("the trace has no turn");
    return std::move(trace_);
  }

 private:
  std::string NextId() const { return fmt::format("{}", trace_.turns.size() + 1); }

  Status AddTurn(const Json& line, const Json& request) {
    if (trace_.turns.size() >= kTurnsMax) return ResourceExhausted("more than {} turns", kTurnsMax);
    TraceTurn turn;
    MIMO_RETURN_IF_ERROR(ReadCommon(line, request, &turn));
    if (request.contains("messages")) return AddConversation(std::move(turn), request);
    if (const auto tokens = request.find("tokens"); tokens != request.end()) {
      TraceTokens content;
      MIMO_ASSIGN_OR_RETURN(content.tokens, ReadTokens(*tokens, "tokens"));
      if (const auto reply = request.find("reply"); reply != request.end()) {
        MIMO_ASSIGN_OR_RETURN(content.reply, ReadTokens(*reply, "reply"));
      }
      turn.content = std::move(content);
    } else {
      MIMO_ASSIGN_OR_RETURN(turn.content, ReadCounts(line, turn.recorded));
      turn.recorded = std::get<TraceCounts>(turn.content).counts;
    }
    return Add(std::move(turn));
  }

  Status ReadCommon(const Json& line, const Json& request, TraceTurn* turn) {
    turn->id = NextId();
    for (const char* name : {"id", "custom_id"}) {
      const auto id = line.find(name);
      if (id == line.end()) continue;
      if (id->is_string()) turn->id = id->get<std::string>();
      if (id->is_number_integer()) turn->id = DumpJson(*id);
    }
    if (const auto after = line.find("after"); after != line.end()) {
      const auto found = index_by_id_.find(after->is_string() ? after->get<std::string>() : DumpJson(*after));
      if (found == index_by_id_.end()) return InvalidArgument("'after' names no earlier turn");
      turn->after = found->second;
    }
    if (line.contains("keep")) {
      turn->keep = ReadCount(line, "keep");
      if (!turn->keep || !turn->after) return InvalidArgument("'keep' must be a number and needs 'after'");
    }
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
      const std::optional<uint64_t> max_tokens = ReadCount(request, name);
      if (max_tokens) turn->max_tokens = static_cast<uint32_t>(std::min<uint64_t>(*max_tokens, 1U << 24));
    }
    for (const Json* object : {&line, &request}) {
      const auto model = object->find("model");
      if (model != object->end() && model->is_string()) turn->model = model->get<std::string>();
    }
    turn->recorded = RecordedUsage(line);
    return {};
  }

  static Result<TraceCounts> ReadCounts(const Json& line, const std::optional<TokenCounts>& recorded) {
    TraceCounts content;
    const Json* counts = FindObject(line, "counts");
    if (counts == nullptr) {
      if (recorded) return TraceCounts{.counts = *recorded, .num_requests = 1, .shared = std::nullopt};
      return InvalidArgument("a turn has 'messages', 'tokens', 'counts' or 'usage'");
    }
    const std::optional<uint64_t> prompt = ReadCount(*counts, "prompt");
    if (!prompt) return InvalidArgument("'counts' must have 'prompt', a number of tokens");
    content.counts = {.prompt = *prompt,
                      .cached = ReadCount(*counts, "cached").value_or(0),
                      .completion = ReadCount(*counts, "completion").value_or(0),
                      .reasoning = 0};
    content.num_requests = ReadCount(*counts, "requests").value_or(1);
    content.shared = ReadCount(*counts, "shared");
    if (content.counts.cached > *prompt || content.shared.value_or(0) > *prompt) {
      return InvalidArgument("'counts' has more cached or shared tokens than the prompt");
    }
    return content;
  }

  // A request as it was sent, or a whole conversation with its replies: then one turn for each of them.
  Status AddConversation(TraceTurn first, const Json& request) {
    const Json& messages = request["messages"];
    if (!messages.is_array() || messages.empty()) return InvalidArgument("'messages' must be a list");
    if (!IsAssistant(messages.back())) return AddMessages(std::move(first), request, messages);
    const std::string id = first.id;
    TraceTurn turn = std::move(first);
    Json added = Json::array();
    for (const Json& message : messages) {
      // A reply to what came before it; one that begins an addition is that of the turn before.
      if (IsAssistant(message) && !added.empty() &&
          !(turn.after && added.size() == 1 && IsAssistant(added[0]))) {
        const std::string model = turn.model;
        const uint32_t max_tokens = turn.max_tokens;
        MIMO_RETURN_IF_ERROR(AddMessages(std::move(turn), request, added));
        turn = {};
        turn.id = fmt::format("{}.{}", id, trace_.turns.size() + 1);
        turn.after = trace_.turns.size() - 1;
        turn.model = model;
        turn.max_tokens = max_tokens;
        added = Json::array();
      }
      added.push_back(message);
    }
    return {};  // what is left is the last reply: nothing was asked after it
  }

  Status AddMessages(TraceTurn turn, const Json& request, const Json& messages) {
    Json chat = request;
    chat["messages"] = messages;
    TraceMessages content;
    MIMO_ASSIGN_OR_RETURN(content.request, ParseChatRequest(chat));
    content.has_tools = request.contains("tools");
    turn.content = std::move(content);
    return Add(std::move(turn));
  }

  Status Add(TraceTurn turn) {
    if (turn.after && trace_.turns[*turn.after].content.index() != turn.content.index()) {
      return InvalidArgument("it continues a turn of another form");
    }
    if (!index_by_id_.emplace(turn.id, trace_.turns.size()).second) {
      return InvalidArgument("the id '{}' is taken", turn.id);
    }
    trace_.turns.push_back(std::move(turn));
    return {};
  }

  AgentTrace trace_;
  std::unordered_map<std::string, size_t> index_by_id_;
  Json log_ = Json::array();  // of a file with one message a line
};

}  // namespace

bool AgentTrace::HasOnlyCounts() const {
  return std::all_of(turns.begin(), turns.end(),
                     [](const TraceTurn& turn) { return std::holds_alternative<TraceCounts>(turn.content); });
}

Result<AgentTrace> ParseAgentTrace(std::string_view text) {
  TraceReader reader;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Result<Json> json = ParseJson(line);
    if (!json) return InvalidArgument("line {}: {}", number, json.error().message);
    if (const Status status = reader.AddLine(*json); !status) {
      return InvalidArgument("line {}: {}", number, status.error().message);
    }
  }
  return reader.Finish();
}

std::optional<TokenCounts> ReadUsage(const Json& usage) {
  TokenCounts counts;
  if (const auto prompt = ReadCount(usage, "prompt_tokens")) {  // chat completions
    counts.prompt = *prompt;
    counts.completion = ReadCount(usage, "completion_tokens").value_or(0);
    if (const Json* details = FindObject(usage, "prompt_tokens_details")) {
      counts.cached = ReadCount(*details, "cached_tokens").value_or(0);
    }
  } else if (const auto input = ReadCount(usage, "input_tokens")) {
    counts.prompt = *input;
    counts.completion = ReadCount(usage, "output_tokens").value_or(0);
    if (const Json* details = FindObject(usage, "input_tokens_details")) {  // Responses
      counts.cached = ReadCount(*details, "cached_tokens").value_or(0);
    } else {  // Anthropic: what came from the cache or went into it is not in input_tokens
      counts.cached = ReadCount(usage, "cache_read_input_tokens").value_or(0);
      counts.prompt += counts.cached + ReadCount(usage, "cache_creation_input_tokens").value_or(0);
    }
  } else {
    return std::nullopt;
  }
  counts.cached = std::min(counts.cached, counts.prompt);
  return counts;
}

}  // namespace mimo
