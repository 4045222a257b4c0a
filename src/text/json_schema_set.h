#pragma once
// Internal to json_schema: sets of JSON values, apart by type, closed under intersection and union and, as
// far as the keywords go, complement.
//
// What an array's items and an object's values may be is kept as a conjunction of schemas and only looked
// into when it is needed: schemas may be recursive.

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/grammar_dfa.h"
#include "text/grammar_program.h"

namespace mimo {

// A schema, or what it forbids.
struct SchemaLiteral {
  const Json* schema = nullptr;
  bool negated = false;

  auto operator<=>(const SchemaLiteral&) const = default;  // NOLINT(modernize-use-nullptr)
};

// The values that satisfy every literal; none where `never`. The default: any value.
struct SchemaFormula {
  bool never = false;
  std::vector<SchemaLiteral> all = {};  // sorted, each once

  bool IsTrue() const { return !never && all.empty(); }
  auto operator<=>(const SchemaFormula&) const = default;  // NOLINT(modernize-use-nullptr)
};
SchemaFormula And(const SchemaFormula& a, const SchemaFormula& b);
SchemaFormula FormulaOf(const Json& schema, bool negated = false);
SchemaFormula Never();
// Alternatives that together are what `formula` forbids.
std::vector<SchemaFormula> Negations(const SchemaFormula& formula);

using DfaPtr = std::shared_ptr<const ByteDfa>;

struct StringSet {
  enum class Kind {
    kLengths,  // `min` to `max` code points; empty when min > max
    kDfa,      // decoded UTF-8
  };
  Kind kind = Kind::kLengths;
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  DfaPtr dfa = nullptr;

  bool IsEmpty() const { return kind == Kind::kLengths ? min > max : dfa->IsEmpty(); }
  bool IsFull() const { return kind == Kind::kLengths && min == 0 && max == kUnbounded; }
};

struct NumberSet {
  bool any = true;       // with exponents
  DfaPtr dfa = nullptr;  // json_schema_number.h

  bool IsEmpty() const { return !any && dfa->IsEmpty(); }
};

// One schema's say about items.
struct ArrayLayer {
  std::vector<SchemaFormula> prefix;
  SchemaFormula rest;

  const SchemaFormula& ItemAt(size_t index) const { return index < prefix.size() ? prefix[index] : rest; }
  bool operator==(const ArrayLayer&) const = default;
};
// Of the items from index `from` on, `min` to `max` satisfy `item`.
struct ArrayContains {
  SchemaFormula item;
  uint32_t from = 0;
  uint32_t min = 1;
  uint32_t max = kUnbounded;

  bool operator==(const ArrayContains&) const = default;
};
struct ArraySet {
  std::vector<ArrayLayer> layers = {};  // all of them hold
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  std::vector<ArrayContains> contains = {};  // all of them hold
  bool unique = false;                       // no item twice
  // For unevaluatedItems: how many of the first items some keyword has looked at, and whether `contains` has
  // looked at others.
  uint32_t evaluated = 0;
  bool contains_evaluates = false;

  SchemaFormula ItemAt(size_t index) const;
  size_t prefix_size() const;
  bool operator==(const ArraySet&) const = default;
};

// One schema's say about properties.
struct ObjectLayer {
  std::map<std::string, SchemaFormula> properties;
  std::vector<std::pair<DfaPtr, SchemaFormula>> patterns;  // of names
  SchemaFormula additional;                                // names that are in none of the above

  SchemaFormula ValueOf(const std::string& name) const;
  bool operator==(const ObjectLayer&) const = default;
};
// For unevaluatedProperties: the names whose values some keyword has looked at.
struct EvaluatedNames {
  bool all = false;
  std::set<std::string> names = {};
  std::vector<DfaPtr> patterns = {};

  bool operator==(const EvaluatedNames&) const = default;
};
struct ObjectSet {
  std::vector<ObjectLayer> layers = {};  // all of them hold
  std::set<std::string> required = {};
  DfaPtr names = nullptr;  // that are possible; null: all
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  EvaluatedNames evaluated = {};

  SchemaFormula ValueOf(const std::string& name) const;
  bool operator==(const ObjectSet&) const = default;
};

// The default holds every value.
struct ValueSet {
  bool has_null = true;
  bool has_true = true;
  bool has_false = true;
  NumberSet number;
  StringSet string;
  std::vector<ArraySet> arrays = {ArraySet{}};  // one of them holds
  std::vector<ObjectSet> objects = {ObjectSet{}};

  static ValueSet None();
  bool IsLexicallyEmpty() const;  // without arrays and objects
};

// More alternatives than this, which conjunctions of alternatives multiply to, are an error.
constexpr size_t kShapesMax = 512;

Result<ValueSet> Intersection(const ValueSet& a, const ValueSet& b, GrammarBudget* budget);
Result<ValueSet> Union(const ValueSet& a, const ValueSet& b, GrammarBudget* budget);
// kUnimplemented, saying why, where the complement would have to find one value among many.
Result<ValueSet> Complement(const ValueSet& a, GrammarBudget* budget);

Result<DfaPtr> DfaOf(const StringSet& strings, GrammarBudget* budget);

}  // namespace mimo
