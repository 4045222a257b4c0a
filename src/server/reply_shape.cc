#include "server/reply_shape.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "text/gbnf.h"
#include "text/grammar_either.h"
#include "text/json_schema.h"
#include "text/regex_grammar.h"
#include "text/tool_grammar.h"

namespace mimo {
namespace {

using Kind = OutputFormat::Kind;

Result<GrammarPtr> CompileFormat(const OutputFormat& format) {
  switch (format.kind) {
    case Kind::kJsonObject:
      return GrammarForAnyJsonObject();
    case Kind::kJsonSchema:
      return GrammarFromJsonSchema(format.schema);
    case Kind::kRegex:
      return GrammarFromRegex(format.source);
    case Kind::kChoice:
      return GrammarFromChoices(format.choices);
    case Kind::kGbnf:
      return GrammarFromGbnf(format.source);
    case Kind::kText:
      break;
  }
  return Internal("free text has no grammar");
}

// One text for each format, so that equal ones share a grammar.
std::string SourceOf(const OutputFormat& format) {
  return DumpJson(Json{{"kind", static_cast<int>(format.kind)},
                       {"schema", format.schema},
                       {"source", format.source},
                       {"choices", format.choices}});
}

bool IsStrict(const ToolDefinition& tool) {
  // In chat completions' form, and in that of Responses.
  const auto says_so = [](const Json& object) {
    return object.is_object() && object.value("strict", Json()) == true;
  };
  return says_so(tool.raw) || (tool.raw.is_object() && says_so(tool.raw.value("function", Json())));
}

Result<GrammarPtr> CompileTools(const std::vector<ToolDefinition>& tools, const ToolGrammarOptions& options) {
  Result<GrammarPtr> grammar = GrammarForToolCalls(tools, options);
  const bool all_strict = std::all_of(tools.begin(), tools.end(), IsStrict);
  if (grammar || grammar.error().code != ErrorCode::kInvalidArgument || all_strict) return grammar;
  std::vector<ToolDefinition> relaxed = tools;
  bool has_changed = false;
  for (ToolDefinition& tool : relaxed) {
    if (IsStrict(tool)) continue;
    const Result<GrammarPtr> alone = GrammarForToolCalls({tool}, options);
    if (alone) continue;
    LogInfo("the arguments of tool '{}' are not constrained: {}", tool.name, alone.error().message);
    tool.parameters = Json{{"type", "object"}};
    has_changed = true;
  }
  return has_changed ? GrammarForToolCalls(relaxed, options) : grammar;
}

std::string SourceOf(const std::vector<ToolDefinition>& tools, const ToolGrammarOptions& options) {
  Json list = Json::array();
  for (const ToolDefinition& tool : tools) {
    list.push_back(Json{{"name", tool.name}, {"parameters", tool.parameters}, {"strict", IsStrict(tool)}});
  }
  return DumpJson(Json{{"tools", std::move(list)},
                       {"choice", static_cast<int>(options.choice)},
                       {"parallel", options.parallel}});
}

ApiError Blame(const Error& error, std::string param) {
  ApiError result = ToApiError(error);
  result.message = fmt::format("'{}': {}", param, result.message);
  result.param = std::move(param);
  return result;
}

ApiResult<GrammarPtr> GrammarOfFormat(const OutputFormat& format, GrammarCache& cache) {
  Result<GrammarPtr> grammar = cache.Get(SourceOf(format), [&] { return CompileFormat(format); });
  if (!grammar) return tl::unexpected(Blame(grammar.error(), format.param));
  return std::move(*grammar);
}

ApiResult<GrammarPtr> GrammarOfTools(const std::vector<ToolDefinition>& tools,
                                     const ToolGrammarOptions& options, GrammarCache& cache) {
  Result<GrammarPtr> grammar =
      cache.Get(SourceOf(tools, options), [&] { return CompileTools(tools, options); });
  if (!grammar) return tl::unexpected(Blame(grammar.error(), "tools"));
  return std::move(*grammar);
}

ApiResult<GrammarPtr> GrammarOfAnswer(const ReplyShape& shape, const std::vector<ToolDefinition>& tools,
                                      GrammarCache& cache) {
  const bool has_format = shape.format.kind != Kind::kText;
  if (tools.empty() || shape.tool_use == ToolUse::kNone) {
    return has_format ? GrammarOfFormat(shape.format, cache) : GrammarPtr();
  }
  const bool only_calls = shape.tool_use == ToolUse::kRequired || has_format;
  const ToolGrammarOptions options = {.choice = only_calls ? ToolChoice::kRequired : ToolChoice::kAuto,
                                      .parallel = shape.parallel_tool_calls};
  ApiResult<GrammarPtr> calls = GrammarOfTools(tools, options, cache);
  if (!calls || shape.tool_use == ToolUse::kRequired || !has_format) return calls;
  ApiResult<GrammarPtr> answer = GrammarOfFormat(shape.format, cache);
  if (!answer) return answer;
  return GrammarEither(*calls, *answer);
}

}  // namespace

ApiResult<void> ApplyToolChoice(const ReplyShape& shape, ChatRequest& chat) {
  const auto must_go = [&](const ToolDefinition& tool) {
    return shape.tool_use == ToolUse::kNone ||
           (shape.allowed_tools && !shape.allowed_tools->contains(tool.name));
  };
  std::erase_if(chat.tools, must_go);
  for (ChatMessage& message : chat.messages) std::erase_if(message.tools, must_go);
  if (shape.tool_use != ToolUse::kRequired || !OfferedTools(chat).empty()) return {};
  std::string message = "'tool_choice' requires a call, but 'tools' offers no function";
  if (shape.allowed_tools && !shape.allowed_tools->empty()) {
    message = fmt::format("'tool_choice' names the function '{}', which is not in 'tools'",
                          *shape.allowed_tools->begin());
  }
  return tl::unexpected(ApiError{.code = ErrorCode::kInvalidArgument,
                                 .message = std::move(message),
                                 .param = "tool_choice",
                                 .reason = {}});
}

std::vector<ToolDefinition> OfferedTools(const ChatRequest& chat) {
  std::vector<ToolDefinition> tools;
  std::unordered_map<std::string, size_t> index_of_name;
  const auto add = [&](const ToolDefinition& tool) {
    const auto [place, is_new] = index_of_name.emplace(tool.name, tools.size());
    if (is_new) {
      tools.push_back(tool);
    } else {
      tools[place->second] = tool;
    }
  };
  for (const ToolDefinition& tool : chat.tools) add(tool);
  for (const ChatMessage& message : chat.messages) {
    for (const ToolDefinition& tool : message.tools) add(tool);
  }
  return tools;
}

ApiResult<GrammarPtr> GrammarOfReply(const ReplyShape& shape, const std::vector<ToolDefinition>& tools,
                                     ReplyStart start, GrammarCache& cache) {
  ApiResult<GrammarPtr> answer = GrammarOfAnswer(shape, tools, cache);
  if (!answer || *answer == nullptr || start == ReplyStart::kAnswer) return answer;
  Result<GrammarPtr> whole = GrammarAfterReasoning(
      *answer, start == ReplyStart::kReasoning ? ReasoningStart::kOpen : ReasoningStart::kModelDecides);
  if (!whole) return tl::unexpected(ToApiError(whole.error()));
  return std::move(*whole);
}

}  // namespace mimo
