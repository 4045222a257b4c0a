// What stands between <parameter=KEY> and </parameter> is read by OutputParser: text stays text, and what
// looks like JSON becomes JSON where the schema admits the type (output_parser_values.h). So a value's
// grammar is the union of the texts that the parser turns into something the schema allows: strings without
// those that it would take for something else, and JSON for the rest.

#include "text/tool_grammar.h"

#include <algorithm>
#include <map>

#include "text/json_schema_emitter.h"
#include "text/output_parser_values.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

constexpr std::string_view kParameterClose = "</parameter>";
constexpr size_t kNameBytesMax = 200;  // the parser knows 256

bool IsTagName(const std::string& name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.find_first_of("<>\n") == std::string::npos &&
         name.front() > ' ' && name.back() > ' ';
}

GrammarTerminalPtr MakeTerminal(std::string_view pattern) {
  return std::make_shared<const GrammarTerminal>(ConstantRegexDfa(pattern));
}

// Any text and its closing tag; counts code points, those of the tag but its last byte included.
const GrammarTerminalPtr& TaggedText() {
  static const GrammarTerminalPtr kTerminal = [] {
    GrammarBudget budget(LimitsOfConstants());
    ByteDfa dfa =
        Combine(AnyTextDfa(), UntilDfa(kParameterClose), DfaOperation::kIntersection, &budget).value();
    std::vector<bool> is_boundary(dfa.num_states(), false);
    for (uint32_t state = 1; state < dfa.num_states(); ++state) {
      is_boundary[state] = dfa.Next(state, 'x') != ByteDfa::kDead;
    }
    return std::make_shared<const GrammarTerminal>(std::move(dfa), std::move(is_boundary));
  }();
  return kTerminal;
}

class ToolCompiler {
 public:
  ToolCompiler(const ToolDefinition& tool, const Json& schema, GrammarBuilder* builder, GrammarBudget* budget)
      : tool_(tool),
        builder_(*builder),
        budget_(*budget),
        reader_(schema, budget),
        emitter_(&reader_, builder, budget, JsonPlace::kInTag),
        names_extras_(schema.is_object() &&
                      (schema.contains("additionalProperties") || schema.contains("patternProperties"))),
        root_(FormulaOf(schema)) {}

  // <function=NAME> parameters </function>
  Result<GrammarNodeId> Call() {
    if (!IsTagName(tool_.name)) return InvalidArgument("its name cannot be written in a call");
    MIMO_ASSIGN_OR_RETURN(const ValueSet* set, reader_.SetOf(root_));
    std::vector<GrammarNodeId> alternatives;
    for (const ObjectSet& object : set->objects) {
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, Arguments(object));
      alternatives.push_back(node);
    }
    MIMO_RETURN_IF_ERROR(emitter_.EmitPending());
    const GrammarNodeId call = builder_.Choice(std::move(alternatives));
    MIMO_ASSIGN_OR_RETURN(const bool is_empty, builder_.IsEmpty(call));
    if (is_empty) return InvalidArgument("no arguments satisfy its schema");
    return call;
  }

 private:
  Result<GrammarNodeId> Arguments(const ObjectSet& object) {
    static const GrammarTerminalPtr kClose = MakeTerminal("</function>");
    MIMO_ASSIGN_OR_RETURN(const ByteDfa open, Concatenate(LiteralDfa("<function=" + tool_.name + ">"),
                                                          ConstantRegexDfa("\n?"), &budget_));
    MIMO_ASSIGN_OR_RETURN(ObjectKeys keys, KeysOf(object, &budget_));
    const GrammarNodeId close = builder_.Terminal(kClose);
    GrammarObjectSpec spec = {.open = builder_.Terminal(open),
                              .close = close,
                              .close_empty = close,
                              .min = object.min,
                              .max = object.max};
    for (const ObjectKeys::Named& named : keys.named) {
      if (!IsTagName(named.name)) {
        if (!named.required) continue;
        return InvalidArgument("the parameter name '{}' cannot be written in a call", named.name);
      }
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId value,
                            Value(named.value, TypesOfArgument(&tool_, named.name)));
      spec.entries.push_back({LiteralDfa("<parameter=" + named.name + ">"), value, named.required});
    }
    // Parameters that a schema merely does not rule out are the model's mistakes, not its wishes.
    if (!names_extras_ && !keys.named.empty()) keys.others.clear();
    for (const ObjectKeys::Others& others : keys.others) {
      static const ByteDfa kNames = ConstantRegexDfa(R"([^\s<>]([^<>\n]{0,48}[^\s<>])?)");
      MIMO_ASSIGN_OR_RETURN(const ByteDfa names,
                            Combine(others.names, kNames, DfaOperation::kIntersection, &budget_));
      MIMO_ASSIGN_OR_RETURN(ByteDfa key, Concatenate(LiteralDfa("<parameter="), names, &budget_));
      MIMO_ASSIGN_OR_RETURN(key, Concatenate(key, LiteralDfa(">"), &budget_));
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId value, Value(others.value, {.string = true}));
      spec.entries.push_back({std::move(key), value, false});
    }
    return builder_.Object(std::move(spec));
  }

  // A value with its closing tag. `types` is what the parser takes it for.
  Result<GrammarNodeId> Value(const SchemaFormula& formula, const ArgumentTypes& types) {
    static const GrammarTerminalPtr kTagClose = MakeTerminal("</parameter>\n?");
    static const GrammarTerminalPtr kLineEnd = MakeTerminal("\n?");
    MIMO_ASSIGN_OR_RETURN(const ValueSet* set, reader_.SetOf(formula));
    std::vector<GrammarNodeId> json;
    if (set->has_null && types.null) json.push_back(builder_.Terminal(ConstantRegexDfa("null|None")));
    if (set->has_true && types.boolean) json.push_back(builder_.Terminal(ConstantRegexDfa("[tT]rue")));
    if (set->has_false && types.boolean) json.push_back(builder_.Terminal(ConstantRegexDfa("[fF]alse")));
    if (!set->number.IsEmpty() && types.number) {
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, emitter_.Numbers(set->number));
      json.push_back(node);
    }
    for (const ArraySet& array : set->arrays) {
      if (!types.list) break;
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, emitter_.Array(array));
      json.push_back(node);
    }
    for (const ObjectSet& object : set->objects) {
      if (!types.object) break;
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, emitter_.Object(object));
      json.push_back(node);
    }
    std::vector<GrammarNodeId> alternatives;
    if (!json.empty()) {
      alternatives.push_back(
          builder_.Sequence({builder_.Choice(std::move(json)), builder_.Terminal(kTagClose)}));
    }
    if (!set->string.IsEmpty()) {
      MIMO_ASSIGN_OR_RETURN(const GrammarNodeId text, Text(set->string, types));
      alternatives.push_back(builder_.Sequence({text, builder_.Terminal(kLineEnd)}));
    }
    return builder_.Choice(std::move(alternatives));
  }

  // Texts that the parser leaves alone, with the closing tag.
  Result<GrammarNodeId> Text(const StringSet& strings, const ArgumentTypes& types) {
    const bool is_plain = types.IsText() && !types.null;
    if (is_plain && strings.IsFull()) return builder_.Terminal(TaggedText());
    if (is_plain && strings.kind == StringSet::Kind::kLengths) {
      const auto tag = static_cast<uint32_t>(kParameterClose.size() - 1);
      const uint32_t max = strings.max > kUnbounded - 100 ? kUnbounded : strings.max + tag;
      return builder_.String(TaggedText(), strings.min + tag, max);
    }
    static const ByteDfa kWithoutTag = WithoutDfa(kParameterClose);
    MIMO_ASSIGN_OR_RETURN(const DfaPtr all, DfaOf(strings, &budget_));
    MIMO_ASSIGN_OR_RETURN(ByteDfa text, Combine(*all, kWithoutTag, DfaOperation::kIntersection, &budget_));
    const auto remove = [&](bool condition, const ByteDfa& taken) -> Status {
      if (!condition) return {};
      MIMO_ASSIGN_OR_RETURN(text, Combine(text, taken, DfaOperation::kDifference, &budget_));
      return {};
    };
    static const ByteDfa kNull = ConstantRegexDfa(R"([ \t\n\r\f\v]*(null|None)[ \t\n\r\f\v]*)");
    static const ByteDfa kBoolean =
        ConstantRegexDfa(R"([ \t\n\r\f\v]*([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])[ \t\n\r\f\v]*)");
    static const ByteDfa kNumber =
        ConstantRegexDfa(R"([ \t\n\r\f\v]*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?[ \t\n\r\f\v]*)");
    static const ByteDfa kList = ConstantRegexDfa(R"([ \t\n\r\f\v]*\[[^]*)");
    static const ByteDfa kObject = ConstantRegexDfa(R"([ \t\n\r\f\v]*\{[^]*)");
    MIMO_RETURN_IF_ERROR(remove(types.null, kNull));
    MIMO_RETURN_IF_ERROR(remove(types.boolean, kBoolean));
    MIMO_RETURN_IF_ERROR(remove(types.number, kNumber));
    MIMO_RETURN_IF_ERROR(remove(types.list, kList));
    MIMO_RETURN_IF_ERROR(remove(types.object, kObject));
    MIMO_ASSIGN_OR_RETURN(ByteDfa tagged, Concatenate(text, LiteralDfa(kParameterClose), &budget_));
    return builder_.Terminal(std::move(tagged));
  }

  const ToolDefinition& tool_;
  GrammarBuilder& builder_;
  GrammarBudget& budget_;
  SchemaReader reader_;
  JsonEmitter emitter_;
  const bool names_extras_;
  const SchemaFormula root_;
};

Result<GrammarNodeId> AnyCall(const std::vector<const ToolDefinition*>& tools, GrammarBuilder* builder,
                              GrammarBudget* budget) {
  static const Json kNoParameters = Json::object({{"type", "object"}, {"additionalProperties", false}});
  std::vector<GrammarNodeId> calls;
  for (const ToolDefinition* tool : tools) {
    const Json& schema = tool->parameters.is_null() ? kNoParameters : tool->parameters;
    Result<GrammarNodeId> call = ToolCompiler(*tool, schema, builder, budget).Call();
    if (!call) return InvalidArgument("tool '{}': {}", tool->name, call.error().message);
    calls.push_back(*call);
  }
  return builder->Choice(std::move(calls));
}

}  // namespace

Result<GrammarPtr> GrammarForToolCalls(const std::vector<ToolDefinition>& tools,
                                       const ToolGrammarOptions& options, const GrammarLimits& limits) {
  static const GrammarTerminalPtr kOpen = MakeTerminal("<tool_call>\n?");
  static const GrammarTerminalPtr kAfterOpen = MakeTerminal("\n?");
  static const GrammarTerminalPtr kClose = MakeTerminal("\n?</tool_call>");
  static const GrammarTerminalPtr kBefore = MakeTerminal("[ \\n]{0,2}");
  static const auto kText = std::make_shared<const GrammarTerminal>(WithoutDfa("<tool_call>"));
  static const auto kTextAndOpen = std::make_shared<const GrammarTerminal>(UntilDfa("<tool_call>"));
  std::vector<const ToolDefinition*> callable;
  for (const ToolDefinition& tool : tools) {
    if (!options.name || *options.name == tool.name) callable.push_back(&tool);
  }
  if (callable.empty()) return InvalidArgument("there is no tool '{}'", options.name.value_or(""));
  (void)FormatDfa("date");  // all formats are made at the first call, and not on these tools' time
  GrammarBudget budget(limits);
  GrammarBuilder builder(&budget);
  MIMO_ASSIGN_OR_RETURN(const GrammarNodeId function, AnyCall(callable, &builder, &budget));
  const GrammarNodeId close = builder.Terminal(kClose);
  const GrammarNodeId next =
      builder.Sequence({builder.Terminal(kBefore), builder.Terminal(kOpen), function, close});
  const GrammarNodeId more = builder.Repeat(next, 0, options.parallel ? kUnbounded : 0);
  if (options.choice == ToolChoice::kRequired) return builder.Finish(builder.Sequence({next, more}));
  const GrammarNodeId calls =
      builder.Sequence({builder.Terminal(kTextAndOpen), builder.Terminal(kAfterOpen), function, close, more});
  return builder.Finish(builder.Choice({builder.Terminal(kText), calls}));
}

}  // namespace mimo
