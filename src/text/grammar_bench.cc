// Time of a mask over the published vocabulary, token by token along texts that models write, and of
// compiling. p50 and p99 are over the masks of a fresh grammar, first visits to its states included; the
// vocabulary's masks of JSON's own strings and numbers are warm, as in a server after its first request.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "text/chat_message.h"
#include "text/grammar_testutil.h"
#include "text/tool_grammar.h"

namespace mimo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPersonSchema = R"({"type": "object", "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 80}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
  "email": {"type": "string", "format": "email"}, "tags": {"type": "array", "items": {"enum": ["admin", "staff", "guest"]}, "maxItems": 5},
  "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
  "required": ["street"], "additionalProperties": false}, "bio": {"type": ["string", "null"]}},
  "required": ["name", "age"], "additionalProperties": false})";
constexpr std::string_view kPersonText =
    "{\n  \"name\": \"Ada Lovelace, Countess of Lovelace\",\n  \"age\": 36,\n  \"email\": "
    "\"ada.lovelace@example.org\",\n"
    "  \"tags\": [\"admin\", \"guest\"],\n  \"address\": {\"street\": \"12 St James's Square, London\", "
    "\"zip\": \"00001\"},\n"
    "  \"bio\": \"Mathematician; wrote the first published program. \\\"The Analytical Engine weaves "
    "algebraic patterns.\\\"\"\n}";
constexpr std::string_view kFreeSchema =
    R"({"type": "object", "additionalProperties": {"type": ["string", "number"]}})";
constexpr std::string_view kFreeText =
    "{\"first key\": \"some text that goes on for a while\", \"second_key\": 12.75, \"third\": \"and more\", "
    "\"k4\": -3e5}";

void MeasureMasks(benchmark::State& state, const std::function<GrammarPtr()>& compile,
                  std::string_view text) {
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  const std::vector<TokenId> tokens = BuiltinTokenizer().Encode(text, AddedTokens::kParse);
  TokenBitmask mask(vocabulary.vocab_size());
  std::vector<double> times_us;
  for (auto _ : state) {
    GrammarMatcher matcher(compile(), &vocabulary);
    for (const TokenId token : tokens) {
      const Clock::time_point begin = Clock::now();
      MIMO_CHECK(matcher.FillMask(&mask));
      times_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
      MIMO_CHECK(mask.Test(token) && matcher.AcceptToken(token));
    }
  }
  std::sort(times_us.begin(), times_us.end());
  state.counters["p50_us"] = times_us[times_us.size() / 2];
  state.counters["p99_us"] = times_us[times_us.size() * 99 / 100];
  state.counters["max_us"] = times_us.back();
}

GrammarPtr CompileTools() {
  ToolDefinition tool;
  tool.name = "save_person";
  tool.parameters = ParseJson(kPersonSchema).value();
  return GrammarForToolCalls({tool}, {}).value();
}

void BM_MaskSchema(benchmark::State& state) {
  MeasureMasks(
      state, [] { return SchemaGrammar(kPersonSchema); }, kPersonText);
}
BENCHMARK(BM_MaskSchema)->Unit(benchmark::kMillisecond);

void BM_MaskFreeObject(benchmark::State& state) {
  MeasureMasks(
      state, [] { return SchemaGrammar(kFreeSchema); }, kFreeText);
}
BENCHMARK(BM_MaskFreeObject)->Unit(benchmark::kMillisecond);

void BM_MaskToolCall(benchmark::State& state) {
  MeasureMasks(
      state, CompileTools,
      "I will save her.\n<tool_call>\n<function=save_person>\n<parameter=name>Ada Lovelace</parameter>\n"
      "<parameter=age>36</parameter>\n<parameter=tags>[\"admin\"]</parameter>\n</function>\n</tool_call>");
}
BENCHMARK(BM_MaskToolCall)->Unit(benchmark::kMillisecond);

void BM_CompileSchema(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(SchemaGrammar(kPersonSchema));
}
BENCHMARK(BM_CompileSchema)->Unit(benchmark::kMillisecond);

void BM_CompileTools(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CompileTools());
}
BENCHMARK(BM_CompileTools)->Unit(benchmark::kMillisecond);

void BM_BuildVocabulary(benchmark::State& state) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  for (auto _ : state) benchmark::DoNotOptimize(GrammarVocabulary(tokenizer).vocab_size());
}
BENCHMARK(BM_BuildVocabulary)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mimo
