#pragma once
// Internal to json_schema: keywords -> sets of values.

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "text/json_schema_reference.h"
#include "text/json_schema_set.h"

namespace mimo {

class SchemaReader {
 public:
  // `root` and `budget` must outlive this.
  SchemaReader(const Json& root, GrammarBudget* budget);

  // The values of a conjunction of schemas. The reference stays valid.
  Result<const ValueSet*> SetOf(const SchemaFormula& formula);
  // A schema of our own making; lives as long as this.
  const Json& Keep(Json schema);

 private:
  Result<const ValueSet*> SetOfLiteral(const SchemaLiteral& literal);
  Result<ValueSet> Read(const Json& schema);
  Result<ValueSet> ReadObject(const Json& schema);
  Status CheckKeywords(const Json& schema) const;

  Status ReadTypes(const Json& schema, ValueSet* set);
  Status ReadValues(const Json& schema, ValueSet* set);
  Result<ValueSet> ValueSetOf(const Json& value);
  Status ReadNumbers(const Json& schema, ValueSet* set);
  Status ReadStrings(const Json& schema, ValueSet* set);
  Status ReadArrays(const Json& schema, ValueSet* set);
  Status ReadContains(const Json& schema, ArraySet* array);
  Status ReadProperties(const Json& schema, ValueSet* set);
  Status ReadDependents(const Json& schema, ValueSet* set);
  Status ReadReference(const Json& schema, ValueSet* set);
  Status ReadApplicators(const Json& schema, ValueSet* set);
  Status ReadAnyOf(const Json& branches, ValueSet* set);
  Status ReadOneOf(const Json& branches, ValueSet* set);
  Status ReadCondition(const Json& schema, ValueSet* set);
  Status ReadUnevaluated(const Json& schema, ValueSet* set);
  Status ReadUnevaluatedItems(const Json& schema, ValueSet* set);

  Status Restrict(ValueSet* set, const ValueSet& to);
  Status RestrictTo(ValueSet* set, const Json& schema, bool negated = false);
  // True only if surely nothing satisfies it; looks `depth` levels down.
  Result<bool> IsSurelyEmpty(const ValueSet& set, int depth);
  Status DropEmptyShapes(ValueSet* set, int depth);

  Result<uint32_t> Count(const Json& schema, const char* keyword, uint32_t otherwise) const;
  // Where a schema stands in the root, for messages.
  std::string PointerTo(const Json& schema) const;
  tl::unexpected<Error> Wrong(const Json& schema, std::string_view keyword, std::string_view what) const;
  tl::unexpected<Error> At(const Json& schema, std::string_view keyword, const Error& error) const;

  const Json& root_;
  GrammarBudget& budget_;
  const SchemaReferences references_;
  // The root has unevaluatedItems or unevaluatedProperties, so what other keywords look at is noted.
  const bool notes_evaluated_;
  std::deque<Json> kept_;
  std::map<SchemaLiteral, ValueSet> literals_;
  std::map<SchemaFormula, ValueSet> formulas_;
  std::set<SchemaLiteral>
      reading_;  // in progress: meeting one again is a schema that says nothing but itself
};

}  // namespace mimo
