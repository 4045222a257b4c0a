#include "server/output_format.h"

#include <utility>

namespace mimo {
namespace {

// A schema may also be the text of one, as vLLM's and llama-server's clients send it.
OutputFormat SchemaFormat(JsonFields& fields, const char* name, const Json& schema) {
  OutputFormat format{.kind = OutputFormat::Kind::kJsonSchema, .schema = schema, .param = name};
  if (schema.is_string()) {
    Result<Json> parsed = ParseJson(schema.get_ref<const std::string&>());
    if (!parsed) {
      fields.Fail(name, "is a string, but not of JSON: " + parsed.error().message);
      return format;
    }
    format.schema = std::move(*parsed);
  }
  if (!format.schema.is_object() && !format.schema.is_boolean()) {
    fields.Fail(name, "must hold a JSON Schema: an object");
  }
  return format;
}

OutputFormat SourceFormat(JsonFields& fields, const char* name, const Json& source, OutputFormat::Kind kind) {
  OutputFormat format{.kind = kind, .param = name};
  if (source.is_string()) {
    format.source = source.get<std::string>();
  } else {
    fields.Fail(name, "must hold a string");
  }
  return format;
}

OutputFormat ChoiceFormat(JsonFields& fields, const char* name, const Json& choices) {
  OutputFormat format{.kind = OutputFormat::Kind::kChoice, .param = name};
  if (!choices.is_array() || choices.empty()) {
    fields.Fail(name, "must hold an array of at least one string");
    return format;
  }
  for (const Json& choice : choices) {
    if (!choice.is_string()) {
      fields.Fail(name, "must hold an array of strings");
      return format;
    }
    format.choices.push_back(choice.get<std::string>());
  }
  return format;
}

bool IsGiven(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && !value->is_null();
}

// vLLM's {"structured_outputs": {"json" | "regex" | "choice" | "grammar" | "json_object": ...}}.
OutputFormat ReadStructuredOutputs(JsonFields& fields) {
  constexpr const char* kName = "structured_outputs";
  OutputFormat format;
  const Json* object = fields.Object(kName);
  if (object == nullptr) return format;
  int num_given = 0;
  for (const char* key : {"json", "regex", "choice", "grammar", "json_object", "structural_tag"}) {
    if (!IsGiven(*object, key)) continue;
    const Json& value = (*object)[key];
    const std::string_view kind = key;
    if (kind == "json_object" && value == false) continue;
    ++num_given;
    if (kind == "json") format = SchemaFormat(fields, kName, value);
    if (kind == "regex") format = SourceFormat(fields, kName, value, OutputFormat::Kind::kRegex);
    if (kind == "choice") format = ChoiceFormat(fields, kName, value);
    if (kind == "grammar") format = SourceFormat(fields, kName, value, OutputFormat::Kind::kGbnf);
    if (kind == "json_object") format = {.kind = OutputFormat::Kind::kJsonObject, .param = kName};
    if (kind == "structural_tag") {
      fields.Fail(kName, "of kind structural_tag is not implemented", ErrorCode::kUnimplemented);
    }
  }
  if (num_given > 1) fields.Fail(kName, "asks for more than one format");
  if (num_given == 0) fields.Fail(kName, "must hold one of json, regex, choice, grammar and json_object");
  return format;
}

OutputFormat ReadExtraField(JsonFields& fields, const char* name) {
  const Json* value = fields.Any(name);
  if (value == nullptr) return {};
  const std::string_view field = name;
  if (field == "structured_outputs") return ReadStructuredOutputs(fields);
  if (field == "guided_regex") return SourceFormat(fields, name, *value, OutputFormat::Kind::kRegex);
  if (field == "guided_choice") return ChoiceFormat(fields, name, *value);
  if (field == "guided_json" || field == "json_schema") return SchemaFormat(fields, name, *value);
  // llama-server's clients send "" for none.
  if (value->is_string() && value->get_ref<const std::string&>().empty()) return {};
  return SourceFormat(fields, name, *value, OutputFormat::Kind::kGbnf);
}

}  // namespace

OutputFormat ReadFormatObject(JsonFields& fields, const char* name) {
  OutputFormat format;
  const Json* object = fields.Object(name);
  if (object == nullptr) return format;
  const auto type = object->find("type");
  if (type == object->end() || !type->is_string()) {
    fields.Fail(name, "must have a string 'type'");
    return format;
  }
  if (*type == "text") return format;
  if (*type == "json_object") {
    if (IsGiven(*object, "schema")) return SchemaFormat(fields, name, (*object)["schema"]);
    return {.kind = OutputFormat::Kind::kJsonObject, .param = name};
  }
  if (*type == "json_schema") {
    const Json& holder = IsGiven(*object, "json_schema") ? (*object)["json_schema"] : *object;
    if (holder.is_object() && IsGiven(holder, "schema")) return SchemaFormat(fields, name, holder["schema"]);
    fields.Fail(name, "of type json_schema must hold a 'schema'");
    return format;
  }
  fields.Fail(name, "has an unknown type");
  return format;
}

OutputFormat ReadOutputFormat(JsonFields& fields) {
  OutputFormat format = ReadFormatObject(fields, "response_format");
  for (const char* name : {"structured_outputs", "guided_json", "guided_regex", "guided_choice",
                           "guided_grammar", "json_schema", "grammar"}) {
    OutputFormat other = ReadExtraField(fields, name);
    if (other.kind == OutputFormat::Kind::kText) continue;
    if (format.kind != OutputFormat::Kind::kText) {
      fields.Fail(name, fmt::format("and '{}' are both given: one format is possible", format.param));
      return format;
    }
    format = std::move(other);
  }
  return format;
}

}  // namespace mimo
