#include "text/json_schema_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/grammar_nfa.h"
#include "text/json_schema_number.h"
#include "text/json_schema_string.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

constexpr size_t kReadingDepthMax = 200;  // recursion of this program
// Told apart from other errors while emptiness is looked for; leaves this module as kInvalidArgument.
constexpr ErrorCode kCycle = ErrorCode::kUnavailable;
// How far down emptiness is looked for when branches are told apart.
constexpr int kEmptinessDepth = 4;

// Keywords that say which values are allowed and that this program does not implement, from this and earlier
// drafts. Whatever is in neither this list nor the readers below is an annotation by the specification.
constexpr std::array<std::string_view, 7> kUnsupported = {
    "$recursiveRef", "$recursiveAnchor", "additionalItems", "dependencies",
    "extends",       "disallow",         "divisibleBy"};

DfaPtr Share(ByteDfa dfa) { return std::make_shared<const ByteDfa>(std::move(dfa)); }

const Json* Find(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

std::string EscapePointer(const std::string& key) {
  std::string escaped;
  for (const char c : key) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool FindPointer(const Json& node, const Json& wanted, std::string* pointer) {
  if (&node == &wanted) return true;
  const size_t size = pointer->size();
  if (node.is_object()) {
    for (const auto& [key, child] : node.items()) {
      *pointer += '/' + EscapePointer(key);
      if (FindPointer(child, wanted, pointer)) return true;
      pointer->resize(size);
    }
  } else if (node.is_array()) {
    for (size_t i = 0; i < node.size(); ++i) {
      *pointer += '/' + std::to_string(i);
      if (FindPointer(node[i], wanted, pointer)) return true;
      pointer->resize(size);
    }
  }
  return false;
}

bool HasUnevaluated(const Json& node) {
  if (node.is_object() && (node.contains("unevaluatedItems") || node.contains("unevaluatedProperties"))) {
    return true;
  }
  return node.is_structured() && std::any_of(node.begin(), node.end(), HasUnevaluated);
}

}  // namespace

SchemaReader::SchemaReader(const Json& root, GrammarBudget* budget)
    : root_(root), budget_(*budget), references_(root), notes_evaluated_(HasUnevaluated(root)) {}

const Json& SchemaReader::Keep(Json schema) { return kept_.emplace_back(std::move(schema)); }

std::string SchemaReader::PointerTo(const Json& schema) const {
  std::string pointer = "#";
  return FindPointer(root_, schema, &pointer) ? pointer : "#";
}

tl::unexpected<Error> SchemaReader::Wrong(const Json& schema, std::string_view keyword,
                                          std::string_view what) const {
  return InvalidArgument("JSON schema, {}/{}: {}", PointerTo(schema), keyword, what);
}

tl::unexpected<Error> SchemaReader::At(const Json& schema, std::string_view keyword,
                                       const Error& error) const {
  if (error.message.starts_with("JSON schema")) return tl::unexpected<Error>(error);
  return Wrong(schema, keyword, error.message);
}

Result<const ValueSet*> SchemaReader::SetOf(const SchemaFormula& formula) {
  const auto known = formulas_.find(formula);
  if (known != formulas_.end()) return &known->second;
  ValueSet set;
  if (formula.never) set = ValueSet::None();
  for (const SchemaLiteral& literal : formula.all) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* each, SetOfLiteral(literal));
    MIMO_RETURN_IF_ERROR(Restrict(&set, *each));
  }
  return &formulas_.emplace(formula, std::move(set)).first->second;
}

Result<const ValueSet*> SchemaReader::SetOfLiteral(const SchemaLiteral& literal) {
  const auto known = literals_.find(literal);
  if (known != literals_.end()) return &known->second;
  if (reading_.size() > kReadingDepthMax) {
    return InvalidArgument("JSON schema: schemas refer to each other more than {} deep", kReadingDepthMax);
  }
  ValueSet set;
  if (literal.negated) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* positive, SetOfLiteral({literal.schema, false}));
    Result<ValueSet> complement = Complement(*positive, &budget_);
    if (!complement && complement.error().code != ErrorCode::kUnimplemented) {
      return InvalidArgument("JSON schema, {}: {}", PointerTo(*literal.schema), complement.error().message);
    }
    if (!complement) {
      return InvalidArgument(
          "JSON schema, {}: {} is not supported, and 'not', 'oneOf', 'if' or 'maxContains' needs it",
          PointerTo(*literal.schema), complement.error().message);
    }
    set = *std::move(complement);
  } else {
    if (!reading_.insert(literal).second) {
      return MakeError(kCycle, "JSON schema, {}: the schema refers to itself without end",
                       PointerTo(*literal.schema));
    }
    Result<ValueSet> read = Read(*literal.schema);
    reading_.erase(literal);
    if (!read) return tl::unexpected<Error>(std::move(read).error());
    set = *std::move(read);
  }
  return &literals_.emplace(literal, std::move(set)).first->second;
}

Result<ValueSet> SchemaReader::Read(const Json& schema) {
  MIMO_RETURN_IF_ERROR(budget_.Spend(10 + schema.size()));
  if (schema.is_boolean()) return schema.get<bool>() ? ValueSet{} : ValueSet::None();
  if (!schema.is_object()) {
    return InvalidArgument("JSON schema, {}: a schema is an object or a boolean", PointerTo(schema));
  }
  return ReadObject(schema);
}

Result<ValueSet> SchemaReader::ReadObject(const Json& schema) {
  MIMO_RETURN_IF_ERROR(CheckKeywords(schema));
  ValueSet set;
  MIMO_RETURN_IF_ERROR(ReadTypes(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadNumbers(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadStrings(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadArrays(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadProperties(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadValues(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadDependents(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadReference(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadApplicators(schema, &set));
  MIMO_RETURN_IF_ERROR(ReadUnevaluated(schema, &set));
  return set;
}

Status SchemaReader::CheckKeywords(const Json& schema) const {
  for (const auto& [key, value] : schema.items()) {
    if (std::find(kUnsupported.begin(), kUnsupported.end(), key) != kUnsupported.end()) {
      return Wrong(schema, key, fmt::format("the keyword '{}' is not supported", key));
    }
    // A vocabulary of one's own may change what the keywords mean.
    if (key == "$schema" && value.is_string() &&
        value.get_ref<const std::string&>().find("json-schema.org/") == std::string::npos) {
      return Wrong(schema, key, "a '$schema' other than json-schema.org's is not supported");
    }
  }
  return {};
}

Status SchemaReader::Restrict(ValueSet* set, const ValueSet& to) {
  MIMO_ASSIGN_OR_RETURN(*set, Intersection(*set, to, &budget_));
  return {};
}

Status SchemaReader::RestrictTo(ValueSet* set, const Json& schema, bool negated) {
  MIMO_ASSIGN_OR_RETURN(const ValueSet* other, SetOfLiteral({&schema, negated}));
  return Restrict(set, *other);
}

Status SchemaReader::ReadTypes(const Json& schema, ValueSet* set) {
  const Json* type = Find(schema, "type");
  if (type == nullptr) return {};
  const Json names = type->is_array() ? *type : Json::array({*type});
  ValueSet typed = ValueSet::None();
  for (const Json& name : names) {
    const std::string text = name.is_string() ? name.get<std::string>() : "";
    if (text == "null") {
      typed.has_null = true;
    } else if (text == "boolean") {
      typed.has_true = typed.has_false = true;
    } else if (text == "number") {
      typed.number = NumberSet{};
    } else if (text == "integer") {
      if (!typed.number.any) typed.number.dfa = Share(PlainIntegerDfa());
    } else if (text == "string") {
      typed.string = StringSet{};
    } else if (text == "array") {
      typed.arrays = {ArraySet{}};
    } else if (text == "object") {
      typed.objects = {ObjectSet{}};
    } else {
      return Wrong(schema, "type", "not the name of a type");
    }
  }
  return Restrict(set, typed);
}

// The set of one value.
Result<ValueSet> SchemaReader::ValueSetOf(const Json& value) {
  ValueSet set = ValueSet::None();
  if (value.is_null()) {
    set.has_null = true;
  } else if (value.is_boolean()) {
    (value.get<bool>() ? set.has_true : set.has_false) = true;
  } else if (value.is_number()) {
    MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, NumberEqualDfa(value, &budget_));
    set.number.dfa = Share(std::move(dfa));
  } else if (value.is_string()) {
    set.string = {.kind = StringSet::Kind::kDfa, .dfa = Share(LiteralDfa(value.get<std::string>()))};
  } else if (value.is_array()) {
    const auto size = static_cast<uint32_t>(value.size());
    ArraySet array = {.layers = {ArrayLayer{}}, .min = size, .max = size};
    for (const Json& item : value) {
      array.layers[0].prefix.push_back(FormulaOf(Keep(Json::object({{"const", item}}))));
    }
    set.arrays.push_back(std::move(array));
  } else {
    ObjectSet object = {.layers = {ObjectLayer{}}};
    object.layers[0].additional = Never();
    for (const auto& [key, item] : value.items()) {
      object.required.insert(key);
      object.layers[0].properties.emplace(key, FormulaOf(Keep(Json::object({{"const", item}}))));
    }
    set.objects.push_back(std::move(object));
  }
  return set;
}

Status SchemaReader::ReadValues(const Json& schema, ValueSet* set) {
  if (const Json* value = Find(schema, "const")) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet only, ValueSetOf(*value));
    MIMO_RETURN_IF_ERROR(Restrict(set, only));
  }
  const Json* values = Find(schema, "enum");
  if (values == nullptr) return {};
  if (!values->is_array()) return Wrong(schema, "enum", "it must be a list");
  // Strings and numbers by the thousand are one automaton each, made at once.
  ValueSet any = ValueSet::None();
  NfaBuilder strings;
  NfaBuilder numbers;
  const uint32_t strings_end = strings.NewState();
  const uint32_t numbers_end = numbers.NewState();
  strings.SetLabel(strings_end, 1);
  numbers.SetLabel(numbers_end, 1);
  for (const Json& value : *values) {
    MIMO_RETURN_IF_ERROR(budget_.Spend(10));
    if (value.is_string()) {
      strings.AddText(NfaBuilder::kStart, value.get_ref<const std::string&>(), strings_end);
    } else if (value.is_number()) {
      MIMO_ASSIGN_OR_RETURN(const ByteDfa dfa, NumberEqualDfa(value, &budget_));
      numbers.AddDfa(NfaBuilder::kStart, dfa, numbers_end);
    } else {
      MIMO_ASSIGN_OR_RETURN(const ValueSet one, ValueSetOf(value));
      MIMO_ASSIGN_OR_RETURN(any, Union(any, one, &budget_));
    }
  }
  MIMO_ASSIGN_OR_RETURN(ByteDfa strings_dfa, strings.Determinize(&budget_));
  if (!strings_dfa.IsEmpty()) {
    any.string = {.kind = StringSet::Kind::kDfa, .dfa = Share(std::move(strings_dfa))};
  }
  MIMO_ASSIGN_OR_RETURN(ByteDfa numbers_dfa, numbers.Determinize(&budget_));
  any.number.dfa = Share(std::move(numbers_dfa));
  return Restrict(set, any);
}

Status SchemaReader::ReadNumbers(const Json& schema, ValueSet* set) {
  constexpr std::array<std::pair<const char*, NumberBound>, 4> kBounds = {
      {{"minimum", NumberBound::kAtLeast},
       {"exclusiveMinimum", NumberBound::kAbove},
       {"maximum", NumberBound::kAtMost},
       {"exclusiveMaximum", NumberBound::kBelow}}};
  const auto restrict_to = [&](const char* keyword, Result<ByteDfa> dfa) -> Status {
    if (!dfa) return At(schema, keyword, dfa.error());
    ValueSet numbers;
    numbers.number = {.any = false, .dfa = Share(*std::move(dfa))};
    return Restrict(set, numbers);
  };
  for (const auto& [keyword, bound] : kBounds) {
    const Json* value = Find(schema, keyword);
    if (value == nullptr) continue;
    if (!value->is_number()) return Wrong(schema, keyword, "it must be a number");
    MIMO_RETURN_IF_ERROR(restrict_to(keyword, NumberBoundDfa(*value, bound, &budget_)));
  }
  const Json* divisor = Find(schema, "multipleOf");
  if (divisor == nullptr) return {};
  if (!divisor->is_number()) return Wrong(schema, "multipleOf", "it must be a number");
  return restrict_to("multipleOf", NumberMultipleDfa(*divisor, &budget_));
}

Result<uint32_t> SchemaReader::Count(const Json& schema, const char* keyword, uint32_t otherwise) const {
  const Json* value = Find(schema, keyword);
  if (value == nullptr) return otherwise;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (number < 0 || number != static_cast<double>(static_cast<int64_t>(std::min(number, 1e15)))) {
    return Wrong(schema, keyword, "it must be an integer, 0 or more");
  }
  return static_cast<uint32_t>(std::min(number, double{kUnbounded - 2}));
}

Status SchemaReader::ReadStrings(const Json& schema, ValueSet* set) {
  ValueSet strings;
  MIMO_ASSIGN_OR_RETURN(strings.string.min, Count(schema, "minLength", 0));
  MIMO_ASSIGN_OR_RETURN(strings.string.max, Count(schema, "maxLength", kUnbounded));
  MIMO_RETURN_IF_ERROR(Restrict(set, strings));
  if (const Json* format = Find(schema, "format")) {
    if (!format->is_string()) return Wrong(schema, "format", "it must be a string");
    if (const ByteDfa* dfa = FormatDfa(format->get<std::string>())) {
      strings.string = {.kind = StringSet::Kind::kDfa, .dfa = Share(*dfa)};
      const Status status = Restrict(set, strings);
      if (!status) return At(schema, "format", status.error());
    }
  }
  const Json* pattern = Find(schema, "pattern");
  if (pattern == nullptr) return {};
  if (!pattern->is_string()) return Wrong(schema, "pattern", "it must be a string");
  Result<ByteDfa> dfa = RegexDfa(pattern->get<std::string>(), RegexMatch::kSomewhere, &budget_);
  if (!dfa) return At(schema, "pattern", dfa.error());
  strings.string = {.kind = StringSet::Kind::kDfa, .dfa = Share(*std::move(dfa))};
  const Status status = Restrict(set, strings);
  if (!status) return At(schema, "pattern", status.error());
  return {};
}

Status SchemaReader::ReadArrays(const Json& schema, ValueSet* set) {
  ArraySet array;
  MIMO_ASSIGN_OR_RETURN(array.min, Count(schema, "minItems", 0));
  MIMO_ASSIGN_OR_RETURN(array.max, Count(schema, "maxItems", kUnbounded));
  ArrayLayer layer;
  if (const Json* prefix = Find(schema, "prefixItems")) {
    if (!prefix->is_array()) return Wrong(schema, "prefixItems", "it must be a list");
    for (const Json& item : *prefix) layer.prefix.push_back(FormulaOf(item));
  }
  if (const Json* items = Find(schema, "items")) {
    if (items->is_array())
      return Wrong(schema, "items", "a list of schemas is 'prefixItems' in draft 2020-12");
    layer.rest = FormulaOf(*items);
  }
  if (notes_evaluated_) {
    array.evaluated = schema.contains("items") ? kUnbounded : static_cast<uint32_t>(layer.prefix.size());
  }
  if (layer.rest.never) {
    array.max = std::min(array.max, static_cast<uint32_t>(layer.prefix.size()));
    layer.rest = {};
  }
  if (!layer.prefix.empty() || !layer.rest.IsTrue()) array.layers.push_back(std::move(layer));
  MIMO_RETURN_IF_ERROR(ReadContains(schema, &array));
  ValueSet arrays;
  arrays.arrays = {std::move(array)};
  return Restrict(set, arrays);
}

Status SchemaReader::ReadContains(const Json& schema, ArraySet* array) {
  if (const Json* unique = Find(schema, "uniqueItems")) {
    if (!unique->is_boolean()) return Wrong(schema, "uniqueItems", "it must be a boolean");
    array->unique = unique->get<bool>() && array->max > 1;
  }
  const Json* item = Find(schema, "contains");
  if (item == nullptr) return {};
  ArrayContains contains = {.item = FormulaOf(*item)};
  MIMO_ASSIGN_OR_RETURN(contains.min, Count(schema, "minContains", 1));
  MIMO_ASSIGN_OR_RETURN(contains.max, Count(schema, "maxContains", kUnbounded));
  array->contains_evaluates = notes_evaluated_;
  if (contains.item.IsTrue()) {
    array->min = std::max(array->min, contains.min);
    array->max = std::min(array->max, contains.max);
  } else if (contains.item.never) {
    if (contains.min > 0) array->max = 0, array->min = 1;
  } else if (contains.min > 0 || contains.max != kUnbounded) {
    array->contains.push_back(std::move(contains));
  }
  return {};
}

Status SchemaReader::ReadProperties(const Json& schema, ValueSet* set) {
  ObjectSet object;
  MIMO_ASSIGN_OR_RETURN(object.min, Count(schema, "minProperties", 0));
  MIMO_ASSIGN_OR_RETURN(object.max, Count(schema, "maxProperties", kUnbounded));
  if (const Json* required = Find(schema, "required")) {
    if (!required->is_array()) return Wrong(schema, "required", "it must be a list of names");
    for (const Json& name : *required) {
      if (!name.is_string()) return Wrong(schema, "required", "it must be a list of names");
      object.required.insert(name.get<std::string>());
    }
  }
  if (const Json* names = Find(schema, "propertyNames")) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* values, SetOf(FormulaOf(*names)));
    if (!values->string.IsFull()) {
      MIMO_ASSIGN_OR_RETURN(object.names, DfaOf(values->string, &budget_));
    }
  }
  ObjectLayer layer;
  if (const Json* properties = Find(schema, "properties")) {
    if (!properties->is_object()) return Wrong(schema, "properties", "it must be an object");
    for (const auto& [name, value] : properties->items()) layer.properties.emplace(name, FormulaOf(value));
  }
  if (const Json* patterns = Find(schema, "patternProperties")) {
    if (!patterns->is_object()) return Wrong(schema, "patternProperties", "it must be an object");
    for (const auto& [pattern, value] : patterns->items()) {
      Result<ByteDfa> dfa = RegexDfa(pattern, RegexMatch::kSomewhere, &budget_);
      if (!dfa) return At(schema, "patternProperties", dfa.error());
      layer.patterns.emplace_back(Share(*std::move(dfa)), FormulaOf(value));
    }
  }
  if (const Json* additional = Find(schema, "additionalProperties"))
    layer.additional = FormulaOf(*additional);
  if (notes_evaluated_) {
    object.evaluated.all = schema.contains("additionalProperties");
    for (const auto& [name, value] : layer.properties) object.evaluated.names.insert(name);
    for (const auto& [names, value] : layer.patterns) object.evaluated.patterns.push_back(names);
  }
  if (!layer.properties.empty() || !layer.patterns.empty() || !layer.additional.IsTrue()) {
    object.layers.push_back(std::move(layer));
  }
  ValueSet objects;
  objects.objects = {std::move(object)};
  return Restrict(set, objects);
}

// Without the key, or with it and what it asks for.
Status SchemaReader::ReadDependents(const Json& schema, ValueSet* set) {
  const auto restrict_by = [&](const std::string& key, ValueSet with) -> Status {
    ValueSet without;
    without.objects[0].layers.resize(1);
    without.objects[0].layers[0].properties.emplace(key, Never());
    for (ObjectSet& object : with.objects) object.required.insert(key);
    ValueSet objects_with = ValueSet::None();
    objects_with.objects = std::move(with.objects);
    MIMO_ASSIGN_OR_RETURN(const ValueSet either, Union(without, objects_with, &budget_));
    return Restrict(set, either);
  };
  if (const Json* required = Find(schema, "dependentRequired")) {
    if (!required->is_object()) return Wrong(schema, "dependentRequired", "it must be an object");
    for (const auto& [key, names] : required->items()) {
      ValueSet with;
      if (!names.is_array()) return Wrong(schema, "dependentRequired", "it must hold lists of names");
      for (const Json& name : names) {
        if (!name.is_string()) return Wrong(schema, "dependentRequired", "it must hold lists of names");
        with.objects[0].required.insert(name.get<std::string>());
      }
      MIMO_RETURN_IF_ERROR(restrict_by(key, std::move(with)));
    }
  }
  const Json* schemas = Find(schema, "dependentSchemas");
  if (schemas == nullptr) return {};
  if (!schemas->is_object()) return Wrong(schema, "dependentSchemas", "it must be an object");
  for (const auto& [key, value] : schemas->items()) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* with, SetOf(FormulaOf(value)));
    MIMO_RETURN_IF_ERROR(restrict_by(key, *with));
  }
  return {};
}

Status SchemaReader::ReadReference(const Json& schema, ValueSet* set) {
  for (const char* keyword : {"$ref", "$dynamicRef"}) {
    const Json* reference = Find(schema, keyword);
    if (reference == nullptr) continue;
    if (!reference->is_string()) return Wrong(schema, keyword, "it must be a string");
    const bool is_dynamic = keyword[1] == 'd';
    Result<const Json*> target = references_.Resolve(schema, reference->get<std::string>(), is_dynamic);
    if (!target) return At(schema, keyword, target.error());
    MIMO_RETURN_IF_ERROR(RestrictTo(set, **target));
  }
  return {};
}

Status SchemaReader::ReadApplicators(const Json& schema, ValueSet* set) {
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const Json* branches = Find(schema, keyword);
    if (branches != nullptr && (!branches->is_array() || branches->empty())) {
      return Wrong(schema, keyword, "it must be a list of schemas");
    }
  }
  if (const Json* branches = Find(schema, "allOf")) {
    for (const Json& branch : *branches) MIMO_RETURN_IF_ERROR(RestrictTo(set, branch));
  }
  if (const Json* branches = Find(schema, "anyOf")) MIMO_RETURN_IF_ERROR(ReadAnyOf(*branches, set));
  if (const Json* branches = Find(schema, "oneOf")) MIMO_RETURN_IF_ERROR(ReadOneOf(*branches, set));
  if (const Json* forbidden = Find(schema, "not")) MIMO_RETURN_IF_ERROR(RestrictTo(set, *forbidden, true));
  return ReadCondition(schema, set);
}

// Values of several branches have been looked at by all of them: where that is noted, what the branches have
// in common is an alternative of its own.
Status SchemaReader::ReadAnyOf(const Json& branches, ValueSet* set) {
  ValueSet any = ValueSet::None();
  for (const Json& branch : branches) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* each, SetOfLiteral({&branch}));
    ValueSet common = ValueSet::None();
    if (notes_evaluated_) {
      MIMO_ASSIGN_OR_RETURN(common, Intersection(any, *each, &budget_));
      MIMO_RETURN_IF_ERROR(DropEmptyShapes(&common, kEmptinessDepth));
    }
    MIMO_ASSIGN_OR_RETURN(any, Union(any, *each, &budget_));
    MIMO_ASSIGN_OR_RETURN(any, Union(any, common, &budget_));
  }
  return Restrict(set, any);
}

// Branches that exclude each other anyway are a plain union; otherwise each is taken without the others.
Status SchemaReader::ReadOneOf(const Json& branches, ValueSet* set) {
  std::vector<ValueSet> sets;
  for (const Json& branch : branches) {
    MIMO_ASSIGN_OR_RETURN(const ValueSet* each, SetOfLiteral({&branch}));
    MIMO_ASSIGN_OR_RETURN(ValueSet here, Intersection(*set, *each, &budget_));
    MIMO_RETURN_IF_ERROR(DropEmptyShapes(&here, kEmptinessDepth));
    sets.push_back(std::move(here));
  }
  ValueSet one = ValueSet::None();
  for (size_t i = 0; i < sets.size(); ++i) {
    ValueSet only = sets[i];
    for (size_t j = 0; j < sets.size(); ++j) {
      if (j == i) continue;
      MIMO_ASSIGN_OR_RETURN(const ValueSet both, Intersection(sets[i], sets[j], &budget_));
      MIMO_ASSIGN_OR_RETURN(const bool are_disjoint, IsSurelyEmpty(both, kEmptinessDepth));
      if (are_disjoint) continue;
      MIMO_RETURN_IF_ERROR(RestrictTo(&only, branches[j], true));
    }
    MIMO_ASSIGN_OR_RETURN(one, Union(one, only, &budget_));
  }
  *set = std::move(one);
  return {};
}

Status SchemaReader::ReadCondition(const Json& schema, ValueSet* set) {
  const Json* condition = Find(schema, "if");
  const Json* then_schema = Find(schema, "then");
  const Json* else_schema = Find(schema, "else");
  if (condition == nullptr) return {};
  // Without both it only tells unevaluatedProperties what has been looked at.
  if (then_schema == nullptr && else_schema == nullptr && !notes_evaluated_) return {};
  ValueSet yes = *set;
  MIMO_RETURN_IF_ERROR(RestrictTo(&yes, *condition));
  if (then_schema != nullptr) MIMO_RETURN_IF_ERROR(RestrictTo(&yes, *then_schema));
  ValueSet no = *set;
  if (then_schema != nullptr || else_schema != nullptr) {
    MIMO_RETURN_IF_ERROR(RestrictTo(&no, *condition, true));
  }
  if (else_schema != nullptr) MIMO_RETURN_IF_ERROR(RestrictTo(&no, *else_schema));
  MIMO_ASSIGN_OR_RETURN(*set, Union(yes, no, &budget_));
  return {};
}

// What no keyword of this schema, or of those that hold at the same place, has looked at.
Status SchemaReader::ReadUnevaluated(const Json& schema, ValueSet* set) {
  MIMO_RETURN_IF_ERROR(ReadUnevaluatedItems(schema, set));
  const Json* rest = Find(schema, "unevaluatedProperties");
  if (rest == nullptr) return {};
  for (ObjectSet& object : set->objects) {
    if (object.evaluated.all) continue;
    ObjectLayer layer;
    layer.additional = FormulaOf(*rest);
    for (const std::string& name : object.evaluated.names) layer.properties.emplace(name, SchemaFormula{});
    for (const DfaPtr& names : object.evaluated.patterns) layer.patterns.emplace_back(names, SchemaFormula{});
    if (!layer.additional.IsTrue()) object.layers.push_back(std::move(layer));
    object.evaluated = {.all = true};
  }
  return {};
}

Status SchemaReader::ReadUnevaluatedItems(const Json& schema, ValueSet* set) {
  const Json* rest = Find(schema, "unevaluatedItems");
  if (rest == nullptr) return {};
  const SchemaFormula formula = FormulaOf(*rest);
  for (ArraySet& array : set->arrays) {
    if (array.evaluated == kUnbounded) continue;
    if (array.contains_evaluates && !formula.IsTrue()) {
      return Wrong(schema, "unevaluatedItems",
                   "the keyword 'unevaluatedItems' is not supported where 'contains' looks at items");
    }
    if (formula.never) {
      array.max = std::min(array.max, array.evaluated);
    } else if (!formula.IsTrue()) {
      ArrayLayer layer;
      layer.prefix.resize(array.evaluated);
      layer.rest = formula;
      array.layers.push_back(std::move(layer));
    }
    array.evaluated = kUnbounded;
  }
  return {};
}

Status SchemaReader::DropEmptyShapes(ValueSet* set, int depth) {
  const auto is_empty = [&](const SchemaFormula& formula) -> Result<bool> {
    if (formula.never) return true;
    if (depth == 0 || formula.IsTrue()) return false;
    Result<const ValueSet*> values = SetOf(formula);
    // A schema that is being read is not known yet.
    if (!values && values.error().code == kCycle) return false;
    if (!values) return tl::unexpected<Error>(std::move(values).error());
    return IsSurelyEmpty(**values, depth - 1);
  };
  std::vector<ArraySet> arrays;
  for (ArraySet& array : set->arrays) {
    bool empty = array.min > array.max;
    for (size_t i = 0; !empty && i < std::min<size_t>(array.min, array.prefix_size() + 1); ++i) {
      MIMO_ASSIGN_OR_RETURN(empty, is_empty(array.ItemAt(i)));
    }
    if (!empty) arrays.push_back(std::move(array));
  }
  set->arrays = std::move(arrays);
  std::vector<ObjectSet> objects;
  for (ObjectSet& object : set->objects) {
    bool empty = object.min > object.max || object.required.size() > object.max;
    for (const std::string& name : object.required) {
      if (empty) break;
      MIMO_ASSIGN_OR_RETURN(empty, is_empty(object.ValueOf(name)));
    }
    if (!empty) objects.push_back(std::move(object));
  }
  set->objects = std::move(objects);
  return {};
}

Result<bool> SchemaReader::IsSurelyEmpty(const ValueSet& set, int depth) {
  MIMO_RETURN_IF_ERROR(budget_.Spend(10));
  if (!set.IsLexicallyEmpty()) return false;
  ValueSet copy = set;
  MIMO_RETURN_IF_ERROR(DropEmptyShapes(&copy, depth));
  return copy.arrays.empty() && copy.objects.empty();
}

}  // namespace mimo
