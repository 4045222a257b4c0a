#include "text/json_schema_emitter.h"

#include <algorithm>
#include <set>
#include <utility>

#include "text/grammar_nfa.h"
#include "text/json_schema_counted_array.h"
#include "text/json_schema_number.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

// White space between the tokens of JSON: none, a space, or a line break and an indentation.
constexpr const char* kGap = "( |\r?\n[ \t]{0,80})?";

struct JsonTerminals {
  GrammarTerminalPtr null = Make("null");
  GrammarTerminalPtr true_word = Make("true");
  GrammarTerminalPtr false_word = Make("false");
  GrammarTerminalPtr number = Make(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
  GrammarTerminalPtr open_object = Make(std::string(R"(\{)") + kGap);
  GrammarTerminalPtr close_object = Make(std::string(kGap) + R"(\})");
  GrammarTerminalPtr close_empty_object = Make(R"(\})");
  GrammarTerminalPtr open_array = Make(std::string(R"(\[)") + kGap);
  GrammarTerminalPtr close_array = Make(std::string(kGap) + R"(\])");
  GrammarTerminalPtr close_empty_array = Make(R"(\])");
  GrammarTerminalPtr comma = Make(std::string(",") + kGap);
  GrammarTerminalPtr colon = Make(std::string(":") + kGap);

  static GrammarTerminalPtr Make(const std::string& pattern) {
    return std::make_shared<const GrammarTerminal>(ConstantRegexDfa(pattern));
  }
  static const JsonTerminals& Get() {
    static const JsonTerminals kTerminals;
    return kTerminals;
  }
};

struct KeyClass {
  ByteDfa names;
  SchemaFormula value;
};

// Cuts the names by the patterns of one layer.
Result<std::vector<KeyClass>> SplitByLayer(std::vector<KeyClass> classes, const ObjectLayer& layer,
                                           GrammarBudget* budget) {
  std::vector<KeyClass> unmatched = std::move(classes);
  std::vector<KeyClass> matched;
  for (const auto& [names, value] : layer.patterns) {
    std::vector<KeyClass> next_matched;
    for (KeyClass& each : matched) {
      MIMO_ASSIGN_OR_RETURN(ByteDfa in, Combine(each.names, *names, DfaOperation::kIntersection, budget));
      MIMO_ASSIGN_OR_RETURN(ByteDfa out, Combine(each.names, *names, DfaOperation::kDifference, budget));
      if (!in.IsEmpty()) next_matched.push_back({std::move(in), And(each.value, value)});
      if (!out.IsEmpty()) next_matched.push_back({std::move(out), each.value});
    }
    std::vector<KeyClass> next_unmatched;
    for (KeyClass& each : unmatched) {
      MIMO_ASSIGN_OR_RETURN(ByteDfa in, Combine(each.names, *names, DfaOperation::kIntersection, budget));
      MIMO_ASSIGN_OR_RETURN(ByteDfa out, Combine(each.names, *names, DfaOperation::kDifference, budget));
      if (!in.IsEmpty()) next_matched.push_back({std::move(in), And(each.value, value)});
      if (!out.IsEmpty()) next_unmatched.push_back({std::move(out), each.value});
    }
    matched = std::move(next_matched);
    unmatched = std::move(next_unmatched);
  }
  for (KeyClass& each : unmatched) {
    each.value = And(each.value, layer.additional);
    matched.push_back(std::move(each));
  }
  std::erase_if(matched, [](const KeyClass& each) { return each.value.never; });
  return matched;
}

}  // namespace

Result<ObjectKeys> KeysOf(const ObjectSet& object, GrammarBudget* budget) {
  ObjectKeys keys;
  std::set<std::string> names = object.required;
  for (const ObjectLayer& layer : object.layers) {
    for (const auto& [name, value] : layer.properties) names.insert(name);
  }
  NfaBuilder named;
  const uint32_t end = named.NewState();
  named.SetLabel(end, 1);
  for (const std::string& name : names) {
    MIMO_RETURN_IF_ERROR(budget->Spend(10 + name.size()));
    keys.named.push_back({name, object.ValueOf(name), object.required.contains(name)});
    named.AddText(NfaBuilder::kStart, name, end);
  }
  std::vector<KeyClass> classes;
  classes.push_back({object.names != nullptr ? *object.names : AnyTextDfa(), {}});
  for (const ObjectLayer& layer : object.layers) {
    MIMO_ASSIGN_OR_RETURN(classes, SplitByLayer(std::move(classes), layer, budget));
  }
  if (classes.empty()) return keys;
  MIMO_ASSIGN_OR_RETURN(const ByteDfa all_named, named.Determinize(budget));
  for (KeyClass& each : classes) {
    MIMO_ASSIGN_OR_RETURN(ByteDfa others, Combine(each.names, all_named, DfaOperation::kDifference, budget));
    if (!others.IsEmpty()) keys.others.push_back({std::move(others), std::move(each.value)});
  }
  return keys;
}

GrammarNodeId JsonEmitter::NodeFor(const SchemaFormula& formula) {
  const auto known = nodes_.find(formula);
  if (known != nodes_.end()) return known->second;
  const GrammarNodeId node = builder_.Reserve();
  nodes_.emplace(formula, node);
  pending_.emplace_back(formula, node);
  return node;
}

Status JsonEmitter::EmitPending() {
  while (!pending_.empty()) {
    const auto [formula, node] = std::move(pending_.back());
    pending_.pop_back();
    if (builder_.num_nodes() > budget_.limits().nodes_max) {
      return InvalidArgument("JSON schema: it has more than {} parts", budget_.limits().nodes_max);
    }
    MIMO_ASSIGN_OR_RETURN(const ValueSet* set, reader_.SetOf(formula));
    MIMO_ASSIGN_OR_RETURN(const GrammarNodeId value, Emit(*set));
    builder_.Define(node, value);
  }
  return {};
}

GrammarNodeId JsonEmitter::Shared(const GrammarTerminalPtr& terminal) {
  const auto known = shared_.find(terminal.get());
  if (known != shared_.end()) return known->second;
  return shared_.emplace(terminal.get(), builder_.Terminal(terminal)).first->second;
}

Result<GrammarNodeId> JsonEmitter::Emit(const ValueSet& set) {
  const JsonTerminals& terminals = JsonTerminals::Get();
  MIMO_RETURN_IF_ERROR(budget_.Spend(10 + set.arrays.size() + set.objects.size()));
  std::vector<GrammarNodeId> alternatives;
  if (set.has_null) alternatives.push_back(Shared(terminals.null));
  if (set.has_true) alternatives.push_back(Shared(terminals.true_word));
  if (set.has_false) alternatives.push_back(Shared(terminals.false_word));
  if (!set.number.IsEmpty()) {
    MIMO_ASSIGN_OR_RETURN(const GrammarNodeId numbers, Numbers(set.number));
    alternatives.push_back(numbers);
  }
  if (!set.string.IsEmpty()) {
    MIMO_ASSIGN_OR_RETURN(const GrammarNodeId strings, Strings(set.string));
    alternatives.push_back(strings);
  }
  for (const ArraySet& array : set.arrays) {
    MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, Array(array));
    alternatives.push_back(node);
  }
  for (const ObjectSet& object : set.objects) {
    MIMO_ASSIGN_OR_RETURN(const GrammarNodeId node, Object(object));
    alternatives.push_back(node);
  }
  return builder_.Choice(std::move(alternatives));
}

Result<GrammarNodeId> JsonEmitter::Numbers(const NumberSet& numbers) {
  if (numbers.any) return Shared(JsonTerminals::Get().number);
  MIMO_ASSIGN_OR_RETURN(ByteDfa text, NumberTextDfa(*numbers.dfa, &budget_));
  return builder_.Terminal(std::move(text));
}

Result<GrammarNodeId> JsonEmitter::Strings(const StringSet& strings) {
  if (strings.IsFull()) return Shared(AnyJsonString(place_));
  if (strings.kind == StringSet::Kind::kLengths) {
    return builder_.String(AnyJsonString(place_), strings.min, strings.max);
  }
  MIMO_ASSIGN_OR_RETURN(ByteDfa text, JsonStringDfa(*strings.dfa, place_, &budget_));
  return builder_.Terminal(std::move(text));
}

Result<GrammarNodeId> JsonEmitter::Array(const ArraySet& set) {
  const JsonTerminals& terminals = JsonTerminals::Get();
  if (set.unique && set.max > 1) return UniqueArray(set);
  if (!set.contains.empty()) {
    const ArrayBrackets brackets = {.open = Shared(terminals.open_array),
                                    .separator = Shared(terminals.comma),
                                    .close = Shared(terminals.close_array),
                                    .close_empty = Shared(terminals.close_empty_array)};
    return CountedArray(set, brackets, this, &builder_).Node();
  }
  GrammarArray array = {.open = Shared(terminals.open_array),
                        .separator = Shared(terminals.comma),
                        .close = Shared(terminals.close_array),
                        .close_empty = Shared(terminals.close_empty_array),
                        .min = set.min,
                        .max = set.max};
  const size_t prefix_size = std::min<size_t>(set.prefix_size(), set.max);
  for (size_t i = 0; i < prefix_size; ++i) array.prefix.push_back(NodeFor(set.ItemAt(i)));
  array.rest = NodeFor(set.ItemAt(prefix_size));
  return builder_.Array(std::move(array));
}

// Items with one spelling each are told apart like the keys of an object.
Result<GrammarNodeId> JsonEmitter::UniqueArray(const ArraySet& set) {
  static const ByteDfa kShortNumbers =
      ConstantRegexDfa(R"(0|-?[1-9][0-9]*(\.[0-9]*[1-9])?|-?0\.[0-9]*[1-9])");
  const JsonTerminals& terminals = JsonTerminals::Get();
  MIMO_ASSIGN_OR_RETURN(const ValueSet* items, reader_.SetOf(set.ItemAt(0)));
  if (set.prefix_size() > 0 || !set.contains.empty() || !items->arrays.empty() || !items->objects.empty()) {
    return InvalidArgument(
        "JSON schema: the keyword 'uniqueItems' is not supported where 'items' allows arrays or objects, or "
        "with "
        "'prefixItems' or 'contains'");
  }
  GrammarObjectSpec spec = {.open = Shared(terminals.open_array),
                            .separator = Shared(terminals.comma),
                            .close = Shared(terminals.close_array),
                            .close_empty = Shared(terminals.close_empty_array),
                            .min = set.min,
                            .max = set.max};
  const GrammarNodeId nothing = builder_.Literal("");
  const auto add = [&](ByteDfa spelling) { spec.entries.push_back({std::move(spelling), nothing}); };
  if (items->has_null) add(LiteralDfa("null"));
  if (items->has_true) add(LiteralDfa("true"));
  if (items->has_false) add(LiteralDfa("false"));
  if (!items->number.IsEmpty()) {
    const ByteDfa& numbers = items->number.any ? PlainNumberDfa() : *items->number.dfa;
    MIMO_ASSIGN_OR_RETURN(ByteDfa spelling,
                          Combine(numbers, kShortNumbers, DfaOperation::kIntersection, &budget_));
    add(std::move(spelling));
  }
  if (!items->string.IsEmpty()) {
    MIMO_ASSIGN_OR_RETURN(const DfaPtr strings, DfaOf(items->string, &budget_));
    MIMO_ASSIGN_OR_RETURN(ByteDfa spelling, JsonStringDfa(*strings, place_, &budget_));
    add(std::move(spelling));
  }
  return builder_.Object(std::move(spec));
}

Result<GrammarNodeId> JsonEmitter::Object(const ObjectSet& set) {
  const JsonTerminals& terminals = JsonTerminals::Get();
  MIMO_ASSIGN_OR_RETURN(ObjectKeys keys, KeysOf(set, &budget_));
  GrammarObjectSpec spec = {.open = Shared(terminals.open_object),
                            .separator = Shared(terminals.comma),
                            .close = Shared(terminals.close_object),
                            .close_empty = Shared(terminals.close_empty_object),
                            .min = set.min,
                            .max = set.max};
  const GrammarNodeId colon = Shared(terminals.colon);
  for (ObjectKeys::Named& named : keys.named) {
    if (named.value.never && !named.required) continue;
    MIMO_ASSIGN_OR_RETURN(ByteDfa key, JsonStringDfa(LiteralDfa(named.name), place_, &budget_));
    const GrammarNodeId value = builder_.Sequence({colon, NodeFor(named.value)});
    spec.entries.push_back({std::move(key), value, named.required});
  }
  for (ObjectKeys::Others& others : keys.others) {
    MIMO_ASSIGN_OR_RETURN(ByteDfa key, JsonStringDfa(others.names, place_, &budget_));
    const GrammarNodeId value = builder_.Sequence({colon, NodeFor(others.value)});
    spec.entries.push_back({std::move(key), value, false});
  }
  return builder_.Object(std::move(spec));
}

}  // namespace mimo
