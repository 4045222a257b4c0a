// Builds the document from the events of nlohmann's parser rather than with Json::parse, for two reasons: the
// depth is known before a level is entered, and an object is filled by appending. Json::parse searches the
// keys of an ordered object for each new one, which takes minutes for a vocabulary of 150 000 entries and
// seconds for a request that was made to be slow.

#include "base/json.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace mimo {
namespace {

// The key that occurs twice, or null.
const std::string* RepeatedKey(const Json::object_t& object) {
  std::vector<const std::string*> keys;
  keys.reserve(object.size());
  for (const auto& entry : object) keys.push_back(&entry.first);
  std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto repeated =
      std::adjacent_find(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a == *b; });
  return repeated == keys.end() ? nullptr : *repeated;
}

// Each callback returns whether to go on.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit DocumentBuilder(const JsonLimits& limits) : limits_(limits) {}

  Json TakeDocument() { return std::move(document_); }
  const std::string& error() const { return error_; }

  bool null() override { return Add(Json(nullptr)); }
  bool boolean(bool value) override { return Add(Json(value)); }
  bool number_integer(number_integer_t value) override { return Add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(Json(value)); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return Add(Json(value)); }
  bool string(string_t& value) override { return Add(Json(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return false; }  // not part of JSON text

  bool start_object(size_t /*size*/) override { return Open(Json::object()); }
  bool start_array(size_t /*size*/) override { return Open(Json::array()); }
  bool key(string_t& key) override {
    key_ = std::move(key);
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool end_object() override {
    const std::string* const repeated = RepeatedKey(open_.back()->get_ref<const Json::object_t&>());
    open_.pop_back();
    if (repeated == nullptr) return true;
    error_ = fmt::format("JSON object has the key '{}' twice", *repeated);
    return false;
  }

  bool parse_error(size_t byte, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    error_ = fmt::format("malformed JSON at byte {}", byte);
    return false;
  }

 private:
  // Puts `value` where the document grows, and returns its place. Places of open levels stay valid, because
  // only the innermost one grows.
  Json* Place(Json value) {
    if (open_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    if (open_.back()->is_array()) {
      auto& array = open_.back()->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    Json::object_t::Container& entries = open_.back()->get_ref<Json::object_t&>();
    entries.emplace_back(std::move(key_), std::move(value));
    return &entries.back().second;
  }
  bool Add(Json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(Json value) {
    if (open_.size() >= limits_.depth_max) {
      error_ = fmt::format("JSON is nested deeper than {} levels", limits_.depth_max);
      return false;
    }
    open_.push_back(Place(std::move(value)));
    return true;
  }

  const JsonLimits limits_;
  Json document_;
  std::vector<Json*> open_;  // arrays and objects that have not ended, outermost first
  std::string key_;          // of the next value, inside an object
  std::string error_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  DocumentBuilder builder(limits);
  if (!Json::sax_parse(text, &builder)) return InvalidArgument("{}", builder.error());
  return builder.TakeDocument();
}

std::string DumpJson(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string StringAt(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

}  // namespace mimo
