// A state machine that takes one byte at a time, so that the split of the input cannot matter. Parsers that
// look at whole deltas and take one step per delta lose parameters when speculative decoding delivers large
// ones.

#include "text/output_parser.h"

#include <array>
#include <optional>
#include <utility>

#include "text/output_parser_values.h"

namespace mimo {
namespace {

constexpr std::string_view kThinkOpen = "<think>";
constexpr std::string_view kThinkClose = "</think>";
constexpr std::string_view kCallOpen = "<tool_call>";
constexpr std::string_view kCallClose = "</tool_call>";
constexpr std::string_view kFunctionOpen = "<function=";
constexpr std::string_view kFunctionClose = "</function>";
constexpr std::string_view kParameterOpen = "<parameter=";
constexpr std::string_view kParameterClose = "</parameter>";

constexpr size_t kWhiteSpaceMax = 64;   // longer runs are text, whatever follows
constexpr size_t kNameMax = 256;        // longer names are not names
constexpr size_t kBufferMax = 1 << 20;  // a JSON call, or a value that is not text

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view TrimLeft(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view Trim(std::string_view text) {
  text = TrimLeft(text);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Finds the end of a JSON object without building it.
class JsonObjectScanner {
 public:
  // True when `c` closes the object that the first byte opened.
  bool Push(char c) {
    if (in_string_) {
      if (std::exchange(escaped_, false)) return false;
      escaped_ = c == '\\';
      in_string_ = c != '"';
      return false;
    }
    in_string_ = c == '"';
    if (c == '{' || c == '[') ++depth_;
    return (c == '}' || c == ']') && --depth_ == 0;
  }

 private:
  size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

struct JsonCall {
  std::string name;
  Json arguments;
};

// {"name": ..., "arguments": {...}}; some models call the latter "parameters", or write it as a string.
std::optional<JsonCall> ReadJsonCall(std::string_view text) {
  Result<Json> json = ParseJson(text);
  if (!json || !json->is_object()) return std::nullopt;
  const auto name = json->find("name");
  if (name == json->end() || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return std::nullopt;
  }
  JsonCall call = {name->get<std::string>(), Json::object()};
  auto arguments = json->find("arguments");
  if (arguments == json->end()) arguments = json->find("parameters");
  if (arguments == json->end() || arguments->is_null()) return call;
  if (arguments->is_string()) {
    Result<Json> inner = ParseJson(arguments->get_ref<const std::string&>());
    if (!inner || !inner->is_object()) return std::nullopt;
    call.arguments = *std::move(inner);
    return call;
  }
  if (!arguments->is_object()) return std::nullopt;
  call.arguments = *arguments;
  return call;
}

}  // namespace

struct OutputParser::Impl {
  enum class State {
    kStart,          // white space and perhaps <think>
    kReasoning,      // up to </think>
    kAnswer,         // up to <tool_call>
    kCallOpen,       // after <tool_call>: a function, a JSON call, or only text after all
    kFunctionName,   // up to '>'
    kParameters,     // between the tags of a call
    kParameterName,  // up to '>'
    kValue,          // up to </parameter>
    kJsonArguments,  // an object in the place of the parameters
    kJsonCall,       // {"name": ..., "arguments": ...}
    kAfterCall,      // after </function>
  };

  explicit Impl(OutputParserOptions parser_options)
      : options(std::move(parser_options)), answer_started(!options.parse_tool_calls) {}

  void Byte(char c);
  void Start(char c);
  void CallOpen(char c);
  void FunctionName(char c);
  void Parameters(char c);
  void ParameterName(char c);
  void JsonArguments(char c);
  void JsonCallByte(char c);
  void AfterCall(char c);
  void Finish();

  void Emit(OutputEvent::Kind kind, std::string_view text);
  void Reasoning(std::string_view text) { Emit(OutputEvent::Kind::kReasoning, text); }
  void Arguments(std::string_view text) { Emit(OutputEvent::Kind::kToolArguments, text); }
  void Answer(std::string_view text);
  template <typename Sink>
  bool FindTag(std::string_view tag, char c, Sink sink);
  bool IsHeldPrefixOf(std::string_view tag) const;
  void NotACall();
  void BeginCall(std::string_view name);
  void EndCall();
  void BeginValue();
  void ValueText(std::string_view text);
  void OpenString();
  void EndValue();

  OutputParserOptions options;
  std::vector<OutputEvent> events;
  State state = State::kStart;

  size_t tag_matched = 0;   // bytes of the tag that ends the current text
  std::string held;         // bytes since the last decision
  std::string name;         // of a function or a parameter, so far
  std::string_view opened;  // what stands before `held` when it turns out not to be a call

  // White space at the start of the answer, or after a call, is only shown when text follows: between tags it
  // is layout.
  std::string leading_space;
  bool answer_started;

  uint32_t num_calls = 0;
  const ToolDefinition* tool = nullptr;
  size_t num_parameters = 0;
  bool has_json_arguments = false;
  bool only_space_in_call = true;
  JsonObjectScanner scanner;
  ArgumentTypes types;
  bool string_open = false;
  std::string value;
};

void OutputParser::Impl::Emit(OutputEvent::Kind kind, std::string_view text) {
  const bool is_call = kind != OutputEvent::Kind::kReasoning && kind != OutputEvent::Kind::kContent;
  const uint32_t index = is_call ? num_calls - 1 : 0;
  const bool is_text = kind != OutputEvent::Kind::kToolCallBegin && kind != OutputEvent::Kind::kToolCallEnd;
  if (is_text && !events.empty() && events.back().kind == kind && events.back().tool_index == index) {
    events.back().text += text;
  } else if (!is_text || !text.empty()) {
    events.push_back({kind, std::string(text), index});
  }
}

void OutputParser::Impl::Answer(std::string_view text) {
  if (!answer_started) {
    const size_t space = text.size() - TrimLeft(text).size();
    leading_space += text.substr(0, space);
    text.remove_prefix(space);
    if (text.empty() && leading_space.size() <= kWhiteSpaceMax) return;
    answer_started = true;
    Emit(OutputEvent::Kind::kContent, std::exchange(leading_space, {}));
  }
  Emit(OutputEvent::Kind::kContent, text);
}

// Passes on what cannot be part of `tag`, which has its only '<' in front; true when the tag is complete.
template <typename Sink>
bool OutputParser::Impl::FindTag(std::string_view tag, char c, Sink sink) {
  if (c == tag[tag_matched]) {
    if (++tag_matched < tag.size()) return false;
    tag_matched = 0;
    return true;
  }
  if (tag_matched > 0) sink(tag.substr(0, std::exchange(tag_matched, 0)));
  if (c == tag.front()) {
    tag_matched = 1;
  } else {
    sink(std::string_view(&c, 1));
  }
  return false;
}

// White space, then a part of `tag` that is not the whole.
bool OutputParser::Impl::IsHeldPrefixOf(std::string_view tag) const {
  const std::string_view rest = TrimLeft(held);
  return rest.size() < tag.size() && tag.starts_with(rest) && held.size() - rest.size() <= kWhiteSpaceMax;
}

void OutputParser::Impl::Byte(char c) {
  switch (state) {
    case State::kStart:
      return Start(c);
    case State::kReasoning:
      if (FindTag(kThinkClose, c, [&](std::string_view text) { Reasoning(text); })) state = State::kAnswer;
      return;
    case State::kAnswer:
      if (!options.parse_tool_calls) return Answer(std::string_view(&c, 1));
      if (FindTag(kCallOpen, c, [&](std::string_view text) { Answer(text); })) {
        opened = kCallOpen;
        state = State::kCallOpen;
      }
      return;
    case State::kCallOpen:
      return CallOpen(c);
    case State::kFunctionName:
      return FunctionName(c);
    case State::kParameters:
      return Parameters(c);
    case State::kParameterName:
      return ParameterName(c);
    case State::kValue:
      if (FindTag(kParameterClose, c, [&](std::string_view text) { ValueText(text); })) EndValue();
      return;
    case State::kJsonArguments:
      return JsonArguments(c);
    case State::kJsonCall:
      return JsonCallByte(c);
    case State::kAfterCall:
      return AfterCall(c);
  }
}

// The model writes <think> itself where the prompt does not, and sometimes again where it does.
void OutputParser::Impl::Start(char c) {
  held += c;
  if (TrimLeft(held) == kThinkOpen) {
    held.clear();
    state = State::kReasoning;
  } else if (!IsHeldPrefixOf(kThinkOpen)) {
    state = options.starts_in_reasoning ? State::kReasoning : State::kAnswer;
    for (const char byte : std::exchange(held, {})) Byte(byte);
  }
}

void OutputParser::Impl::CallOpen(char c) {
  held += c;
  if (TrimLeft(held) == kFunctionOpen) {
    name.clear();
    state = State::kFunctionName;
  } else if (c == '{' && TrimLeft(held) == "{") {
    scanner = JsonObjectScanner();
    scanner.Push(c);
    state = State::kJsonCall;
  } else if (!IsHeldPrefixOf(kFunctionOpen)) {
    NotACall();
  }
}

// What looked like a call is text about calls. The bytes are read again, since they may hold the start of a
// real one; they are few (a tag, white space and a name), and hold no complete <tool_call>, so this stays
// linear.
void OutputParser::Impl::NotACall() {
  state = State::kAnswer;
  Answer(std::exchange(opened, {}));
  for (const char byte : std::exchange(held, {})) Byte(byte);
}

void OutputParser::Impl::FunctionName(char c) {
  held += c;
  if (c == '>' && !Trim(name).empty()) {
    held.clear();
    BeginCall(Trim(name));
    state = State::kParameters;
  } else if (c == '>' || c == '<' || c == '\n' || name.size() >= kNameMax) {
    NotACall();
  } else {
    name += c;
  }
}

void OutputParser::Impl::BeginCall(std::string_view function) {
  leading_space.clear();
  answer_started = false;
  ++num_calls;
  num_parameters = 0;
  has_json_arguments = false;
  only_space_in_call = true;
  tool = nullptr;
  for (const ToolDefinition& candidate : options.tools) {
    if (candidate.name == function) tool = &candidate;
  }
  Emit(OutputEvent::Kind::kToolCallBegin, function);
}

void OutputParser::Impl::EndCall() {
  if (!has_json_arguments) Arguments(num_parameters == 0 ? "{}" : "}");
  Emit(OutputEvent::Kind::kToolCallEnd, "");
}

// Anything but the known tags is layout or noise, and is dropped: a call has no place for it.
void OutputParser::Impl::Parameters(char c) {
  if (c == '{' && only_space_in_call) {
    has_json_arguments = true;
    scanner = JsonObjectScanner();
    state = State::kJsonArguments;
    return JsonArguments(c);
  }
  if (!IsSpace(c)) only_space_in_call = false;
  held += c;
  if (held == kParameterOpen && !has_json_arguments) {
    held.clear();
    name.clear();
    state = State::kParameterName;
  } else if (held == kFunctionClose || held == kCallClose) {
    state = held == kFunctionClose ? State::kAfterCall : State::kAnswer;
    held.clear();
    EndCall();
  } else if (!kParameterOpen.starts_with(held) && !kFunctionClose.starts_with(held) &&
             !kCallClose.starts_with(held)) {
    held.assign(c == '<' ? 1 : 0, '<');
  }
}

void OutputParser::Impl::ParameterName(char c) {
  if (c == '>' && !Trim(name).empty()) {
    BeginValue();
  } else if (c == '>' || c == '<' || c == '\n' || name.size() >= kNameMax) {
    held.assign(c == '<' ? 1 : 0, '<');
    state = State::kParameters;
  } else {
    name += c;
  }
}

void OutputParser::Impl::BeginValue() {
  state = State::kValue;
  types = TypesOfArgument(tool, Trim(name));
  std::string key = num_parameters++ == 0 ? "{\"" : ", \"";
  for (const char c : Trim(name)) AppendEscaped(c, &key);
  Arguments(key + "\": ");
  value.clear();
  string_open = false;
  if (types.IsText() && !types.null) OpenString();
}

void OutputParser::Impl::OpenString() {
  string_open = true;
  Arguments("\"");
  ValueText(std::exchange(value, {}));
}

void OutputParser::Impl::ValueText(std::string_view text) {
  if (string_open) {
    std::string escaped;
    for (const char c : text) AppendEscaped(c, &escaped);
    return Arguments(escaped);
  }
  value += text;
  const bool may_be_null =
      std::string_view("null").starts_with(value) || std::string_view("None").starts_with(value);
  if ((types.IsText() && !may_be_null) || value.size() > kBufferMax) OpenString();
}

void OutputParser::Impl::EndValue() {
  Arguments(string_open ? "\"" : ArgumentJson(value, types));
  value.clear();
  state = State::kParameters;
}

void OutputParser::Impl::JsonArguments(char c) {
  Arguments(std::string_view(&c, 1));
  if (scanner.Push(c)) {
    only_space_in_call = false;
    state = State::kParameters;
  }
}

void OutputParser::Impl::JsonCallByte(char c) {
  held += c;
  const bool complete = scanner.Push(c);
  if (!complete && held.size() <= kBufferMax) return;
  const std::optional<JsonCall> call = complete ? ReadJsonCall(TrimLeft(held)) : std::nullopt;
  const std::string text = std::exchange(held, {});
  if (call) {
    BeginCall(call->name);
    Arguments(DumpJson(call->arguments));
    has_json_arguments = true;
    EndCall();
    state = State::kAfterCall;
  } else {
    // Not read again as NotACall does: the text may be long and hold many openings.
    state = State::kAnswer;
    Answer(std::exchange(opened, {}));
    Answer(text);
  }
}

// The closing tag, or another function inside the same one, or another call without the closing tag.
void OutputParser::Impl::AfterCall(char c) {
  held += c;
  const std::string_view rest = TrimLeft(held);
  if (rest == kCallClose) {
    held.clear();
    state = State::kAnswer;
  } else if (rest == kFunctionOpen) {
    opened = "";
    name.clear();
    state = State::kFunctionName;
  } else if (rest == kCallOpen) {
    held.clear();
    opened = kCallOpen;
    state = State::kCallOpen;
  } else if (!IsHeldPrefixOf(kCallClose) && !IsHeldPrefixOf(kFunctionOpen) && !IsHeldPrefixOf(kCallOpen)) {
    opened = "";
    NotACall();
  }
}

void OutputParser::Impl::Finish() {
  switch (state) {
    case State::kStart:
      options.starts_in_reasoning ? Reasoning(held) : Answer(held);
      break;
    case State::kReasoning:
      Reasoning(kThinkClose.substr(0, tag_matched));
      break;
    case State::kAnswer:
      Answer(kCallOpen.substr(0, tag_matched));
      break;
    case State::kCallOpen:
    case State::kFunctionName:
    case State::kJsonCall:
      Answer(opened);
      Answer(held);
      break;
    case State::kParameters:
    case State::kParameterName:
    case State::kValue:
    case State::kJsonArguments:
    case State::kAfterCall:
      break;  // the start of a tag that was cut off
  }
  if (num_calls == 0) Emit(OutputEvent::Kind::kContent, leading_space);
  leading_space.clear();
  held.clear();
  tag_matched = 0;
}

OutputParser::OutputParser(OutputParserOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OutputParser::~OutputParser() = default;
OutputParser::OutputParser(OutputParser&&) noexcept = default;
OutputParser& OutputParser::operator=(OutputParser&&) noexcept = default;

std::vector<OutputEvent> OutputParser::Push(std::string_view text) {
  if (impl_->options.is_plain_text) {
    impl_->Emit(OutputEvent::Kind::kContent, text);
    return std::exchange(impl_->events, {});
  }
  for (const char c : text) impl_->Byte(c);
  return std::exchange(impl_->events, {});
}

std::vector<OutputEvent> OutputParser::Finish() {
  impl_->Finish();
  return std::exchange(impl_->events, {});
}

ParsedOutput ParseOutput(std::string_view text, OutputParserOptions options) {
  OutputParser parser(std::move(options));
  std::vector<OutputEvent> events = parser.Push(text);
  for (OutputEvent& event : parser.Finish()) events.push_back(std::move(event));
  ParsedOutput output;
  std::string name, arguments;
  for (const OutputEvent& event : events) {
    switch (event.kind) {
      case OutputEvent::Kind::kReasoning:
        output.reasoning += event.text;
        break;
      case OutputEvent::Kind::kContent:
        output.content += event.text;
        break;
      case OutputEvent::Kind::kToolCallBegin:
        name = event.text;
        arguments.clear();
        break;
      case OutputEvent::Kind::kToolArguments:
        arguments += event.text;
        break;
      case OutputEvent::Kind::kToolCallEnd:
        if (Result<Json> json = ParseJson(arguments); json && json->is_object()) {
          output.tool_calls.push_back({"", name, *std::move(json)});
        }
        break;
    }
  }
  return output;
}

}  // namespace mimo
