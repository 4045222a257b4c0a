#include "text/json_schema_set.h"

#include <algorithm>
#include <utility>

#include "text/json_schema_number.h"
#include "text/json_schema_string.h"

namespace mimo {
namespace {

Result<DfaPtr> CombinePtr(const ByteDfa& a, const ByteDfa& b, DfaOperation operation, GrammarBudget* budget) {
  MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, Combine(a, b, operation, budget));
  return std::make_shared<const ByteDfa>(std::move(dfa));
}

StringSet NoStrings() { return {.min = 1, .max = 0}; }
NumberSet NoNumbers() { return {.any = false, .dfa = std::make_shared<const ByteDfa>(EmptyDfa())}; }

Result<StringSet> IntersectStrings(const StringSet& a, const StringSet& b, GrammarBudget* budget) {
  if (a.IsFull() || b.IsEmpty()) return b;
  if (b.IsFull() || a.IsEmpty()) return a;
  if (a.kind == StringSet::Kind::kLengths && b.kind == StringSet::Kind::kLengths) {
    return StringSet{.min = std::max(a.min, b.min), .max = std::min(a.max, b.max)};
  }
  MIMO_ASSIGN_OR_RETURN(const DfaPtr left, DfaOf(a, budget));
  MIMO_ASSIGN_OR_RETURN(const DfaPtr right, DfaOf(b, budget));
  MIMO_ASSIGN_OR_RETURN(DfaPtr dfa, CombinePtr(*left, *right, DfaOperation::kIntersection, budget));
  return StringSet{.kind = StringSet::Kind::kDfa, .dfa = std::move(dfa)};
}

Result<StringSet> UniteStrings(const StringSet& a, const StringSet& b, GrammarBudget* budget) {
  if (a.IsFull() || b.IsEmpty()) return a;
  if (b.IsFull() || a.IsEmpty()) return b;
  if (a.kind == StringSet::Kind::kLengths && b.kind == StringSet::Kind::kLengths &&
      a.min <= uint64_t{b.max} + 1 && b.min <= uint64_t{a.max} + 1) {
    return StringSet{.min = std::min(a.min, b.min), .max = std::max(a.max, b.max)};
  }
  MIMO_ASSIGN_OR_RETURN(const DfaPtr left, DfaOf(a, budget));
  MIMO_ASSIGN_OR_RETURN(const DfaPtr right, DfaOf(b, budget));
  MIMO_ASSIGN_OR_RETURN(DfaPtr dfa, CombinePtr(*left, *right, DfaOperation::kUnion, budget));
  return StringSet{.kind = StringSet::Kind::kDfa, .dfa = std::move(dfa)};
}

Result<StringSet> ComplementStrings(const StringSet& a, GrammarBudget* budget) {
  if (a.IsFull()) return NoStrings();
  if (a.IsEmpty()) return StringSet{};
  if (a.kind == StringSet::Kind::kLengths && a.min == 0) return StringSet{.min = a.max + 1};
  if (a.kind == StringSet::Kind::kLengths && a.max == kUnbounded) return StringSet{.max = a.min - 1};
  MIMO_ASSIGN_OR_RETURN(const DfaPtr dfa, DfaOf(a, budget));
  MIMO_ASSIGN_OR_RETURN(DfaPtr others, CombinePtr(AnyTextDfa(), *dfa, DfaOperation::kDifference, budget));
  return StringSet{.kind = StringSet::Kind::kDfa, .dfa = std::move(others)};
}

Result<NumberSet> CombineNumbers(const NumberSet& a, const NumberSet& b, DfaOperation operation,
                                 GrammarBudget* budget) {
  if (operation == DfaOperation::kIntersection) {
    if (a.any) return b;
    if (b.any) return a;
  } else if (a.any || b.any) {
    return NumberSet{};
  }
  MIMO_ASSIGN_OR_RETURN(DfaPtr dfa, CombinePtr(*a.dfa, *b.dfa, operation, budget));
  return NumberSet{.any = false, .dfa = std::move(dfa)};
}

Result<NumberSet> ComplementNumbers(const NumberSet& a, GrammarBudget* budget) {
  if (a.any) return NoNumbers();
  if (a.IsEmpty()) return NumberSet{};
  MIMO_ASSIGN_OR_RETURN(DfaPtr dfa, CombinePtr(PlainNumberDfa(), *a.dfa, DfaOperation::kDifference, budget));
  return NumberSet{.any = false, .dfa = std::move(dfa)};
}

template <typename T>
void AddOnce(std::vector<T>* values, T value) {
  if (std::find(values->begin(), values->end(), value) == values->end()) values->push_back(std::move(value));
}

template <typename Layer>
std::vector<Layer> JoinLayers(const std::vector<Layer>& a, const std::vector<Layer>& b) {
  std::vector<Layer> joined = a;
  for (const Layer& layer : b) AddOnce(&joined, layer);
  return joined;
}

ArraySet IntersectArrays(const ArraySet& a, const ArraySet& b) {
  return {.layers = JoinLayers(a.layers, b.layers),
          .min = std::max(a.min, b.min),
          .max = std::min(a.max, b.max),
          .contains = JoinLayers(a.contains, b.contains),
          .unique = a.unique || b.unique,
          .evaluated = std::max(a.evaluated, b.evaluated),
          .contains_evaluates = a.contains_evaluates || b.contains_evaluates};
}

EvaluatedNames Join(const EvaluatedNames& a, const EvaluatedNames& b) {
  if (a.all || b.all) return {.all = true};
  EvaluatedNames both = {.names = a.names, .patterns = JoinLayers(a.patterns, b.patterns)};
  both.names.insert(b.names.begin(), b.names.end());
  return both;
}

Result<ObjectSet> IntersectObjects(const ObjectSet& a, const ObjectSet& b, GrammarBudget* budget) {
  ObjectSet both = {.layers = JoinLayers(a.layers, b.layers),
                    .required = a.required,
                    .names = a.names,
                    .min = std::max(a.min, b.min),
                    .max = std::min(a.max, b.max),
                    .evaluated = Join(a.evaluated, b.evaluated)};
  both.required.insert(b.required.begin(), b.required.end());
  if (both.names == nullptr) {
    both.names = b.names;
  } else if (b.names != nullptr && b.names != a.names) {
    MIMO_ASSIGN_OR_RETURN(both.names, CombinePtr(*a.names, *b.names, DfaOperation::kIntersection, budget));
  }
  return both;
}

Status CheckShapes(size_t num_arrays, size_t num_objects) {
  if (num_arrays <= kShapesMax && num_objects <= kShapesMax) return {};
  return InvalidArgument("the alternatives multiply to more than {}", kShapesMax);
}

Result<std::vector<ArraySet>> ComplementArray(const ArraySet& a) {
  std::vector<ArraySet> others;
  if (a.min > 0) others.push_back({.max = a.min - 1});
  if (a.max != kUnbounded) others.push_back({.min = a.max + 1});
  if (a.unique) return Unimplemented("'not' of uniqueItems");
  for (const ArrayContains& counted : a.contains) {
    const auto add = [&](uint32_t min, uint32_t max) {
      others.push_back({.contains = {{counted.item, counted.from, min, max}}});
    };
    if (counted.min > 0) add(0, counted.min - 1);
    if (counted.max != kUnbounded) add(counted.max + 1, kUnbounded);
  }
  for (const ArrayLayer& layer : a.layers) {
    // The item at the first place that the layer forbids; longer arrays have one too.
    const size_t num_places = layer.prefix.size() + (layer.rest.never ? 1 : 0);
    const auto num_prefix = static_cast<uint32_t>(layer.prefix.size());
    if (!layer.rest.never) {
      for (const SchemaFormula& item : Negations(layer.rest)) {
        others.push_back({.contains = {{.item = item, .from = num_prefix}}});
      }
    }
    for (size_t i = 0; i < num_places; ++i) {
      for (const SchemaFormula& item : Negations(layer.ItemAt(i))) {
        ArraySet other = {.layers = {ArrayLayer{}}, .min = static_cast<uint32_t>(i + 1)};
        other.layers[0].prefix.resize(i);
        other.layers[0].prefix.push_back(item);
        others.push_back(std::move(other));
      }
    }
  }
  return others;
}

Result<std::vector<ObjectSet>> ComplementObject(const ObjectSet& a) {
  std::vector<ObjectSet> others;
  if (a.min > 0) others.push_back({.max = a.min - 1});
  if (a.max != kUnbounded) others.push_back({.min = a.max + 1});
  if (a.names != nullptr) return Unimplemented("'not' of a schema for all property names");
  for (const std::string& name : a.required) {
    ObjectSet other = {.layers = {ObjectLayer{}}};
    other.layers[0].properties.emplace(name, Never());
    others.push_back(std::move(other));
  }
  for (const ObjectLayer& layer : a.layers) {
    for (const auto& [name, value] : layer.properties) {
      for (const SchemaFormula& negation : Negations(value)) {
        ObjectSet other = {.layers = {ObjectLayer{}}, .required = {name}};
        if (!negation.IsTrue()) other.layers[0].properties.emplace(name, negation);
        others.push_back(std::move(other));
      }
    }
    for (const auto& [names, value] : layer.patterns) {
      if (!value.IsTrue()) return Unimplemented("'not' of patternProperties");
    }
    if (!layer.additional.IsTrue()) return Unimplemented("'not' of additionalProperties");
  }
  return others;
}

}  // namespace

SchemaFormula And(const SchemaFormula& a, const SchemaFormula& b) {
  if (a.never || b.never) return Never();
  SchemaFormula both;
  std::set_union(a.all.begin(), a.all.end(), b.all.begin(), b.all.end(), std::back_inserter(both.all));
  return both;
}

SchemaFormula FormulaOf(const Json& schema, bool negated) {
  if (schema.is_boolean()) return schema.get<bool>() != negated ? SchemaFormula{} : Never();
  return {.all = {{&schema, negated}}};
}

SchemaFormula Never() { return {.never = true}; }

// Each negated literal of a formula is an alternative.
std::vector<SchemaFormula> Negations(const SchemaFormula& formula) {
  if (formula.never) return {SchemaFormula{}};
  std::vector<SchemaFormula> negations;
  for (const SchemaLiteral& literal : formula.all) {
    negations.push_back({.all = {{literal.schema, !literal.negated}}});
  }
  return negations;
}

SchemaFormula ArraySet::ItemAt(size_t index) const {
  SchemaFormula item;
  for (const ArrayLayer& layer : layers) item = And(item, layer.ItemAt(index));
  return item;
}

size_t ArraySet::prefix_size() const {
  size_t size = 0;
  for (const ArrayLayer& layer : layers) size = std::max(size, layer.prefix.size());
  return size;
}

SchemaFormula ObjectLayer::ValueOf(const std::string& name) const {
  SchemaFormula value;
  bool is_named = false;
  if (const auto it = properties.find(name); it != properties.end()) {
    value = it->second;
    is_named = true;
  }
  for (const auto& [names, pattern_value] : patterns) {
    if (names->Match(name) == 0) continue;
    value = And(value, pattern_value);
    is_named = true;
  }
  return is_named ? value : additional;
}

SchemaFormula ObjectSet::ValueOf(const std::string& name) const {
  if (names != nullptr && names->Match(name) == 0) return Never();
  SchemaFormula value;
  for (const ObjectLayer& layer : layers) value = And(value, layer.ValueOf(name));
  return value;
}

ValueSet ValueSet::None() {
  return {.has_null = false,
          .has_true = false,
          .has_false = false,
          .number = NoNumbers(),
          .string = NoStrings(),
          .arrays = {},
          .objects = {}};
}

bool ValueSet::IsLexicallyEmpty() const {
  return !has_null && !has_true && !has_false && number.IsEmpty() && string.IsEmpty();
}

Result<DfaPtr> DfaOf(const StringSet& strings, GrammarBudget* budget) {
  if (strings.kind == StringSet::Kind::kDfa) return strings.dfa;
  MIMO_ASSIGN_OR_RETURN(ByteDfa dfa, TextLengthDfa(strings.min, strings.max, budget));
  return std::make_shared<const ByteDfa>(std::move(dfa));
}

Result<ValueSet> Intersection(const ValueSet& a, const ValueSet& b, GrammarBudget* budget) {
  ValueSet both = ValueSet::None();
  both.has_null = a.has_null && b.has_null;
  both.has_true = a.has_true && b.has_true;
  both.has_false = a.has_false && b.has_false;
  MIMO_ASSIGN_OR_RETURN(both.number, CombineNumbers(a.number, b.number, DfaOperation::kIntersection, budget));
  MIMO_ASSIGN_OR_RETURN(both.string, IntersectStrings(a.string, b.string, budget));
  MIMO_RETURN_IF_ERROR(CheckShapes(a.arrays.size() * b.arrays.size(), a.objects.size() * b.objects.size()));
  MIMO_RETURN_IF_ERROR(
      budget->Spend(100 + 100 * (a.arrays.size() * b.arrays.size() + a.objects.size() * b.objects.size())));
  for (const ArraySet& mine : a.arrays) {
    for (const ArraySet& other : b.arrays) AddOnce(&both.arrays, IntersectArrays(mine, other));
  }
  for (const ObjectSet& mine : a.objects) {
    for (const ObjectSet& other : b.objects) {
      MIMO_ASSIGN_OR_RETURN(ObjectSet joined, IntersectObjects(mine, other, budget));
      AddOnce(&both.objects, std::move(joined));
    }
  }
  return both;
}

Result<ValueSet> Union(const ValueSet& a, const ValueSet& b, GrammarBudget* budget) {
  ValueSet either = a;
  either.has_null |= b.has_null;
  either.has_true |= b.has_true;
  either.has_false |= b.has_false;
  MIMO_ASSIGN_OR_RETURN(either.number, CombineNumbers(a.number, b.number, DfaOperation::kUnion, budget));
  MIMO_ASSIGN_OR_RETURN(either.string, UniteStrings(a.string, b.string, budget));
  MIMO_RETURN_IF_ERROR(CheckShapes(a.arrays.size() + b.arrays.size(), a.objects.size() + b.objects.size()));
  for (const ArraySet& other : b.arrays) AddOnce(&either.arrays, other);
  for (const ObjectSet& other : b.objects) AddOnce(&either.objects, other);
  return either;
}

Result<ValueSet> Complement(const ValueSet& a, GrammarBudget* budget) {
  ValueSet others;
  others.has_null = !a.has_null;
  others.has_true = !a.has_true;
  others.has_false = !a.has_false;
  MIMO_ASSIGN_OR_RETURN(others.number, ComplementNumbers(a.number, budget));
  MIMO_ASSIGN_OR_RETURN(others.string, ComplementStrings(a.string, budget));
  // Not (a or b) = not a and not b.
  for (const ArraySet& array : a.arrays) {
    ValueSet without;
    MIMO_ASSIGN_OR_RETURN(without.arrays, ComplementArray(array));
    MIMO_ASSIGN_OR_RETURN(others, Intersection(others, without, budget));
  }
  for (const ObjectSet& object : a.objects) {
    ValueSet without;
    MIMO_ASSIGN_OR_RETURN(without.objects, ComplementObject(object));
    MIMO_ASSIGN_OR_RETURN(others, Intersection(others, without, budget));
  }
  return others;
}

}  // namespace mimo
