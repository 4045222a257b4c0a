#pragma once
// The shape a client wants the answer to have: OpenAI's response_format, and the extra fields of vLLM
// (guided_*, structured_outputs) and llama-server (grammar, json_schema).

#include <string>
#include <vector>

#include "base/json.h"
#include "server/json_fields.h"

namespace mimo {

struct OutputFormat {
  enum class Kind {
    kText,        // anything
    kJsonObject,  // any JSON object
    kJsonSchema,  // `schema`
    kRegex,       // `source`
    kChoice,      // one of `choices`
    kGbnf,        // `source`
  };
  Kind kind = Kind::kText;
  Json schema = nullptr;
  std::string source = {};
  std::vector<std::string> choices = {};
  std::string param = {};  // the field that asked for it

  bool operator==(const OutputFormat&) const = default;
};

// {"type": "text" | "json_object" | "json_schema", ...} of the field `name`, in chat completions' form, where
// the schema stands in "json_schema", or in that of Responses, where it stands beside the type.
// llama-server's "schema" beside "json_object" is one too.
OutputFormat ReadFormatObject(JsonFields& fields, const char* name);

// Whichever of the fields is given. Two that contradict each other are an error.
OutputFormat ReadOutputFormat(JsonFields& fields);

}  // namespace mimo
