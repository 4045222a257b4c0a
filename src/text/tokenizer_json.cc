// Hugging Face's tokenizer.json. A strict reader: whatever would change the ids and is not implemented here
// is an error that names it, because a tokenizer that is almost right makes a model quietly worse.

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "text/builtin_vocabulary.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_limits.h"

namespace mimo {
namespace {

// Not base/json.h's Json: that keeps the order of keys, and so finds one of 150 thousand by walking.
using TokenizerJsonValue = nlohmann::json;

// A field that must have one of few values, because no other is implemented. Absent is as good as null.
struct FixedField {
  const char* name;
  std::vector<TokenizerJsonValue> accepted;
};

// Every key of `object` must be among `fields` with an accepted value, or among `others`.
Status CheckFields(const TokenizerJsonValue& object, std::string_view where,
                   std::span<const FixedField> fields, std::initializer_list<std::string_view> others) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(others.begin(), others.end(), key) != others.end()) continue;
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&name = key](const FixedField& f) { return name == f.name; });
    if (field == fields.end()) return Unimplemented("tokenizer.json: {}: unknown field '{}'", where, key);
    if (value.is_null()) continue;
    if (std::find(field->accepted.begin(), field->accepted.end(), value) == field->accepted.end()) {
      return Unimplemented("tokenizer.json: {}: '{}' is not implemented with this value", where, key);
    }
  }
  return {};
}

Result<std::string> TypeOf(const TokenizerJsonValue& object, std::string_view where) {
  if (!object.is_object()) return InvalidArgument("tokenizer.json: {} must be an object", where);
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string()) {
    return InvalidArgument("tokenizer.json: {}: 'type' must be a string", where);
  }
  return type->get<std::string>();
}

// The member, or null.
const TokenizerJsonValue& Member(const TokenizerJsonValue& object, const char* name) {
  static const TokenizerJsonValue kNull;
  const auto it = object.find(name);
  return it == object.end() ? kNull : *it;
}

Result<TokenId> ReadId(const TokenizerJsonValue& value, std::string_view where) {
  if (!value.is_number_integer() || value < 0 || value >= kVocabularySizeMax) {
    return InvalidArgument("tokenizer.json: {}: the id must be an integer from 0 to {}", where,
                           kVocabularySizeMax - 1);
  }
  return value.get<TokenId>();
}

Result<bool> ReadNormalizer(const TokenizerJsonValue& normalizer) {
  if (normalizer.is_null()) return false;
  MIMO_ASSIGN_OR_RETURN(const std::string type, TypeOf(normalizer, "normalizer"));
  if (type != "NFC")
    return Unimplemented("tokenizer.json: normalizer '{}' is not implemented, only NFC is", type);
  MIMO_RETURN_IF_ERROR(CheckFields(normalizer, "normalizer", {}, {"type"}));
  return true;
}

Status CheckSplit(const TokenizerJsonValue& split) {
  MIMO_ASSIGN_OR_RETURN(const std::string type, TypeOf(split, "pre_tokenizer"));
  if (type != "Split")
    return Unimplemented("tokenizer.json: pre_tokenizer '{}' is not implemented here", type);
  const std::vector<FixedField> fields = {
      {"pattern", {{{"Regex", kQwen2SplitPattern}}}}, {"behavior", {"Isolated"}}, {"invert", {false}}};
  for (const FixedField& field : fields) {
    if (Member(split, field.name).is_null()) {
      return InvalidArgument("tokenizer.json: pre_tokenizer 'Split': '{}' is missing", field.name);
    }
  }
  return CheckFields(split, "pre_tokenizer 'Split'", fields, {"type"});
}

Status CheckByteLevel(const TokenizerJsonValue& byte_level) {
  MIMO_ASSIGN_OR_RETURN(const std::string type, TypeOf(byte_level, "pre_tokenizer"));
  if (type != "ByteLevel")
    return Unimplemented("tokenizer.json: pre_tokenizer '{}' is not implemented here", type);
  const std::vector<FixedField> fields = {{"add_prefix_space", {false}}, {"use_regex", {false}}};
  for (const FixedField& field : fields) {
    // Hugging Face's default is true for both.
    if (Member(byte_level, field.name).is_null()) {
      return Unimplemented("tokenizer.json: pre_tokenizer 'ByteLevel': '{}' must be false", field.name);
    }
  }
  return CheckFields(byte_level, "pre_tokenizer 'ByteLevel'", fields, {"type", "trim_offsets"});
}

Status CheckPreTokenizer(const TokenizerJsonValue& pre_tokenizer) {
  if (pre_tokenizer.is_null())
    return Unimplemented("tokenizer.json: no pre_tokenizer; only Qwen2's is implemented");
  MIMO_ASSIGN_OR_RETURN(const std::string type, TypeOf(pre_tokenizer, "pre_tokenizer"));
  const TokenizerJsonValue& parts = Member(pre_tokenizer, "pretokenizers");
  if (type != "Sequence" || !parts.is_array() || parts.size() != 2) {
    return Unimplemented(
        "tokenizer.json: pre_tokenizer '{}' is not implemented, only a Sequence of Split and ByteLevel",
        type);
  }
  MIMO_RETURN_IF_ERROR(CheckFields(pre_tokenizer, "pre_tokenizer", {}, {"type", "pretokenizers"}));
  MIMO_RETURN_IF_ERROR(CheckSplit(parts[0]));
  return CheckByteLevel(parts[1]);
}

// Decoder and post-processor: byte level, which changes no ids.
Status CheckByteLevelOnly(const TokenizerJsonValue& value, std::string_view where) {
  MIMO_ASSIGN_OR_RETURN(const std::string type, TypeOf(value, where));
  if (type == "ByteLevel") return {};
  return Unimplemented("tokenizer.json: {} '{}' is not implemented, only ByteLevel is", where, type);
}

Status ReadVocabulary(const TokenizerJsonValue& vocabulary, TokenizerData& data) {
  if (!vocabulary.is_object()) return InvalidArgument("tokenizer.json: model: 'vocab' must be an object");
  for (const auto& [token, value] : vocabulary.items()) {
    MIMO_ASSIGN_OR_RETURN(const TokenId id, ReadId(value, "model: vocab"));
    if (token.empty()) return InvalidArgument("tokenizer.json: model: vocab: token {} is empty", id);
    if (id >= data.tokens.size()) data.tokens.resize(id + 1);
    if (!data.tokens[id].empty()) {
      return InvalidArgument("tokenizer.json: model: vocab: '{}' and '{}' have the same id {}",
                             data.tokens[id], token, id);
    }
    data.tokens[id] = token;
  }
  return {};
}

Status ReadMerges(const TokenizerJsonValue& merges, TokenizerData& data) {
  if (!merges.is_array()) return InvalidArgument("tokenizer.json: model: 'merges' must be an array");
  data.merges.reserve(merges.size());
  for (const TokenizerJsonValue& merge : merges) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      data.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string* text = merge.get_ptr<const std::string*>();
    const size_t space = text == nullptr ? std::string::npos : text->find(' ');
    if (space == std::string::npos || text->find(' ', space + 1) != std::string::npos) {
      return InvalidArgument(
          "tokenizer.json: model: merge {} must be \"left right\" or [\"left\", \"right\"]",
          data.merges.size());
    }
    data.merges.emplace_back(text->substr(0, space), text->substr(space + 1));
  }
  return {};
}

Status ReadModel(const TokenizerJsonValue& model, TokenizerData& data) {
  if (!model.is_object()) return InvalidArgument("tokenizer.json: 'model' must be an object");
  const std::vector<FixedField> fields = {
      {"type", {"BPE"}},
      {"dropout", {0.0}},
      {"continuing_subword_prefix", {""}},
      {"end_of_word_suffix", {""}},
      {"byte_fallback", {false}},
      {"ignore_merges", {false}},
  };
  // Each byte has a token (Create checks it), so nothing is ever unknown.
  MIMO_RETURN_IF_ERROR(CheckFields(model, "model", fields, {"vocab", "merges", "unk_token", "fuse_unk"}));
  MIMO_RETURN_IF_ERROR(ReadVocabulary(Member(model, "vocab"), data));
  return ReadMerges(Member(model, "merges"), data);
}

Result<TokenizerData::AddedToken> ReadAddedToken(const TokenizerJsonValue& value) {
  constexpr const char* kWhere = "added_tokens";
  if (!value.is_object()) return InvalidArgument("tokenizer.json: {} must hold objects", kWhere);
  const std::string* content = Member(value, "content").get_ptr<const std::string*>();
  if (content == nullptr) return InvalidArgument("tokenizer.json: {}: 'content' must be a string", kWhere);
  TokenizerData::AddedToken token;
  token.content = *content;
  MIMO_ASSIGN_OR_RETURN(token.id, ReadId(Member(value, "id"), kWhere));
  const std::pair<const char*, bool*> flags[] = {{"special", &token.special},
                                                 {"lstrip", &token.lstrip},
                                                 {"rstrip", &token.rstrip},
                                                 {"single_word", &token.single_word},
                                                 {"normalized", &token.normalized}};
  for (const auto& [name, flag] : flags) {
    const TokenizerJsonValue& field = Member(value, name);
    if (!field.is_boolean()) {
      return InvalidArgument("tokenizer.json: {}: '{}': '{}' must be true or false", kWhere, token.content,
                             name);
    }
    *flag = field.get<bool>();
  }
  MIMO_RETURN_IF_ERROR(CheckFields(
      value, kWhere, {}, {"id", "content", "special", "lstrip", "rstrip", "single_word", "normalized"}));
  return token;
}

Result<TokenizerData> ReadTokenizer(const TokenizerJsonValue& json) {
  if (!json.is_object()) return InvalidArgument("tokenizer.json: must be an object");
  // Truncation and padding must be null: both change what is encoded.
  const std::vector<FixedField> fields = {{"version", {"1.0"}}, {"truncation", {}}, {"padding", {}}};
  MIMO_RETURN_IF_ERROR(
      CheckFields(json, "top level", fields,
                  {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}));
  TokenizerData data;
  MIMO_ASSIGN_OR_RETURN(data.normalize_nfc, ReadNormalizer(Member(json, "normalizer")));
  MIMO_RETURN_IF_ERROR(CheckPreTokenizer(Member(json, "pre_tokenizer")));
  MIMO_RETURN_IF_ERROR(CheckByteLevelOnly(Member(json, "decoder"), "decoder"));
  if (const TokenizerJsonValue& post_processor = Member(json, "post_processor"); !post_processor.is_null()) {
    MIMO_RETURN_IF_ERROR(CheckByteLevelOnly(post_processor, "post_processor"));
  }
  MIMO_RETURN_IF_ERROR(ReadModel(Member(json, "model"), data));
  const TokenizerJsonValue& added_tokens = Member(json, "added_tokens");
  if (!added_tokens.is_null() && !added_tokens.is_array()) {
    return InvalidArgument("tokenizer.json: 'added_tokens' must be an array");
  }
  for (const TokenizerJsonValue& value : added_tokens) {
    MIMO_ASSIGN_OR_RETURN(TokenizerData::AddedToken token, ReadAddedToken(value));
    data.added_tokens.push_back(std::move(token));
  }
  return data;
}

std::string Quoted(std::string_view text) {
  return TokenizerJsonValue(text).dump(-1, ' ', false, TokenizerJsonValue::error_handler_t::replace);
}

}  // namespace

Result<TokenizerData> ParseTokenizerJson(std::string_view json) {
  TokenizerJsonValue value;
  try {
    value = TokenizerJsonValue::parse(json);
  } catch (const TokenizerJsonValue::parse_error& error) {
    return InvalidArgument("tokenizer.json: not valid JSON at byte {}", error.byte);
  } catch (const TokenizerJsonValue::exception& error) {
    return InvalidArgument("tokenizer.json: not valid JSON: {}", error.what());
  }
  return ReadTokenizer(value);
}

std::string TokenizerJson(const TokenizerData& data) {
  std::string json = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)";
  const char* separator = "\n";
  for (const TokenizerData::AddedToken& token : data.added_tokens) {
    json += fmt::format(
        R"({}{{"id":{},"content":{},"single_word":{},"lstrip":{},"rstrip":{},"normalized":{},"special":{}}})",
        separator, token.id, Quoted(token.content), token.single_word, token.lstrip, token.rstrip,
        token.normalized, token.special);
    separator = ",\n";
  }
  json += fmt::format("\n],\n\"normalizer\":{},\n", data.normalize_nfc ? R"({"type":"NFC"})" : "null");
  json += fmt::format(
      R"("pre_tokenizer":{{"type":"Sequence","pretokenizers":[{{"type":"Split","pattern":{{"Regex":{}}},)"
      R"("behavior":"Isolated","invert":false}},{{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,)"
      R"("use_regex":false}}]}},)",
      Quoted(kQwen2SplitPattern));
  json +=
      R"("post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,)";
  json +=
      R"("use_regex":false},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",)";
  json += R"("end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{)";
  separator = "\n";
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    if (data.tokens[id].empty()) continue;
    json += fmt::format("{}{}:{}", separator, Quoted(data.tokens[id]), id);
    separator = ",\n";
  }
  json += "},\"merges\":[";
  separator = "\n";
  for (const auto& [left, right] : data.merges) {
    json += fmt::format("{}[{},{}]", separator, Quoted(left), Quoted(right));
    separator = ",\n";
  }
  json += "]}}\n";
  return json;
}

}  // namespace mimo
