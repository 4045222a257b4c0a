#include "text/json_schema.h"

#include <algorithm>

#include "text/json_schema_emitter.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

size_t DepthOf(const Json& json, size_t depth_max) {
  if (!json.is_structured() || depth_max == 0) return 1;
  size_t depth = 0;
  for (const Json& child : json) depth = std::max(depth, DepthOf(child, depth_max - 1));
  return depth + 1;
}

Result<GrammarPtr> Compile(const Json& schema, const GrammarLimits& limits) {
  (void)FormatDfa("date");  // all formats are made at the first call, and not on this schema's time
  GrammarBudget budget(limits);
  GrammarBuilder builder(&budget);
  SchemaReader reader(schema, &budget);
  JsonEmitter emitter(&reader, &builder, &budget, JsonPlace::kPlain);
  // Models like to begin with a line break.
  static const auto kBefore = std::make_shared<const GrammarTerminal>(ConstantRegexDfa("[ \\t\\r\\n]{0,4}"));
  const GrammarNodeId root =
      builder.Sequence({builder.Terminal(kBefore), emitter.NodeFor(FormulaOf(schema))});
  MIMO_RETURN_IF_ERROR(emitter.EmitPending());
  return builder.Finish(root);
}

}  // namespace

Result<GrammarPtr> GrammarFromJsonSchema(const Json& schema, const GrammarLimits& limits) {
  if (DepthOf(schema, limits.nesting_max + 1) > limits.nesting_max) {
    return InvalidArgument("JSON schema: it is nested more than {} deep", limits.nesting_max);
  }
  Result<GrammarPtr> grammar = Compile(schema, limits);
  if (grammar) return grammar;
  Error error = std::move(grammar).error();
  error.code = ErrorCode::kInvalidArgument;
  if (!error.message.starts_with("JSON schema")) error.message = "JSON schema: " + error.message;
  return tl::unexpected<Error>(std::move(error));
}

Result<GrammarPtr> GrammarForAnyJsonObject(const GrammarLimits& limits) {
  return GrammarFromJsonSchema(Json::object({{"type", "object"}}), limits);
}

}  // namespace mimo
