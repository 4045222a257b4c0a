#pragma once
// Internal to json_schema: sets of values -> nodes that write them as JSON.

#include <map>
#include <string>
#include <vector>

#include "text/grammar_builder.h"
#include "text/json_schema_reader.h"
#include "text/json_schema_string.h"

namespace mimo {

// The keys of an object set, apart by what their values may be. Names in `named` are in no language of
// `others`.
struct ObjectKeys {
  struct Named {
    std::string name;
    SchemaFormula value;
    bool required = false;
  };
  struct Others {
    ByteDfa names;  // decoded
    SchemaFormula value;
  };
  std::vector<Named> named;
  std::vector<Others> others;
};
Result<ObjectKeys> KeysOf(const ObjectSet& object, GrammarBudget* budget);

class JsonEmitter {
 public:
  // All must outlive this.
  JsonEmitter(SchemaReader* reader, GrammarBuilder* builder, GrammarBudget* budget, JsonPlace place)
      : reader_(*reader), builder_(*builder), budget_(*budget), place_(place) {}

  // The node of a formula's values. It is only defined by EmitPending.
  GrammarNodeId NodeFor(const SchemaFormula& formula);
  Status EmitPending();

  // Parts, for others that write some values in another way.
  Result<GrammarNodeId> Strings(const StringSet& strings);
  Result<GrammarNodeId> Numbers(const NumberSet& numbers);
  Result<GrammarNodeId> Array(const ArraySet& array);
  Result<GrammarNodeId> Object(const ObjectSet& object);

 private:
  Result<GrammarNodeId> Emit(const ValueSet& set);
  Result<GrammarNodeId> UniqueArray(const ArraySet& set);
  GrammarNodeId Shared(const GrammarTerminalPtr& terminal);

  SchemaReader& reader_;
  GrammarBuilder& builder_;
  GrammarBudget& budget_;
  const JsonPlace place_;
  std::map<SchemaFormula, GrammarNodeId> nodes_;
  std::vector<std::pair<SchemaFormula, GrammarNodeId>> pending_;
  std::map<const GrammarTerminal*, GrammarNodeId> shared_;
};

}  // namespace mimo
