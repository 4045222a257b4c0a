// Time of a mask over the published vocabulary, token by token along texts that models write, and of
// compiling. p50 and p99 are over the masks of a fresh grammar, first visits to its states included; the
// vocabulary's masks of JSON's own strings and numbers are warm, as in a server after its first request, and
// so is what it knows of bytes that automata do not tell apart. Times of masks are the processor's, since one
// in a hundred is easily interrupted.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "text/chat_message.h"
#include "text/gbnf.h"
#include "text/grammar_testutil.h"
#include "text/regex_grammar.h"
#include "text/tool_grammar.h"

namespace mimo {
namespace {

double ThreadMicroseconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

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
      const double begin_us = ThreadMicroseconds();
      MIMO_CHECK(matcher.FillMask(&mask));
      times_us.push_back(ThreadMicroseconds() - begin_us);
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

constexpr std::string_view kRegexText =
    "Answer: The engine weaves algebraic patterns just as the loom weaves flowers.\nDate: 1843-09-06\n";

void BM_MaskRegex(benchmark::State& state) {
  MeasureMasks(
      state,
      [] {
        return GrammarFromRegex(R"((Answer|Result): [A-Z][^\n]+\nDate: [0-9]{4}-[01][0-9]-[0-3][0-9]\n)")
            .value();
      },
      kRegexText);
}
BENCHMARK(BM_MaskRegex)->Unit(benchmark::kMillisecond);

// Each count is a state of its own, whose mask nobody has made before.
void BM_MaskRegexWithCounts(benchmark::State& state) {
  MeasureMasks(
      state,
      [] {
        return GrammarFromRegex(
                   R"((Answer|Result): [A-Z][^\n]{10,200}\nDate: [0-9]{4}-[01][0-9]-[0-3][0-9]\n)")
            .value();
      },
      kRegexText);
}
BENCHMARK(BM_MaskRegexWithCounts)->Unit(benchmark::kMillisecond);

// The same within a schema, up to the last count.
void BM_MaskPatternWithCounts(benchmark::State& state) {
  MeasureMasks(
      state, [] { return SchemaGrammar(R"({"type": "string", "pattern": "^[A-Z][^\\n]{10,90}$"})"); },
      R"("The engine weaves algebraic patterns just as the loom weaves flowers, and no less exactly.")");
}
BENCHMARK(BM_MaskPatternWithCounts)->Unit(benchmark::kMillisecond);

void BM_MaskRegexOfWords(benchmark::State& state) {
  MeasureMasks(
      state, [] { return GrammarFromRegex(R"([A-Z]\w{0,20}(,? \w{1,20}){3,15}\.)").value(); },
      "The engine weaves algebraic patterns just as the loom weaves flowers, and no less exactly.");
}
BENCHMARK(BM_MaskRegexOfWords)->Unit(benchmark::kMillisecond);

void BM_MaskGbnf(benchmark::State& state) {
  MeasureMasks(
      state,
      [] {
        return GrammarFromGbnf(R"gbnf(
root ::= (line "\n")+
line ::= name " = " sum | "# " [^\n]*
name ::= [a-z] [a-z0-9_]*
sum ::= term (" " [-+*/] " " term)*
term ::= [0-9]+ ("." [0-9]+)? | name | "(" sum ")"
)gbnf")
            .value();
      },
      "# circles and their area\nradius = 12.5\narea = 3.14159 * (radius * radius)\nhalf_area = area / 2\n");
}
BENCHMARK(BM_MaskGbnf)->Unit(benchmark::kMillisecond);

void BM_MaskUniqueItems(benchmark::State& state) {
  MeasureMasks(
      state,
      [] {
        return SchemaGrammar(
            R"({"type": "array", "items": {"type": ["string", "integer"]}, "uniqueItems": true})");
      },
      R"(["red", "green", "blue", 17, 171, 4, "a longer item that goes on", "red and green"])");
}
BENCHMARK(BM_MaskUniqueItems)->Unit(benchmark::kMillisecond);

// Sources made to cost much. They compile or are refused; `time_max` bounds either.
void MeasureHostile(benchmark::State& state, const std::string& schema) {
  const Json json = ParseJson(schema).value();
  bool is_refused = false;
  for (auto _ : state) is_refused = !GrammarFromJsonSchema(json).has_value();
  state.counters["refused"] = is_refused ? 1 : 0;
}

std::string Repeated(size_t times, const std::function<std::string(size_t)>& part) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < times; ++i) parts.push_back(part(i));
  return fmt::format("{}", fmt::join(parts, ","));
}

void BM_CompileHostileDeep(benchmark::State& state) {
  std::string schema = "{}";
  for (int i = 0; i < 60; ++i) schema = fmt::format(R"({{"properties": {{"a": {}}}}})", schema);
  MeasureHostile(state, schema);
}
BENCHMARK(BM_CompileHostileDeep)->Unit(benchmark::kMillisecond);

void BM_CompileHostileEnum(benchmark::State& state) {
  const auto word = [](size_t i) { return fmt::format(R"("word{}")", i * 7919); };
  MeasureHostile(state, fmt::format(R"({{"enum": [{}]}})", Repeated(50'000, word)));
}
BENCHMARK(BM_CompileHostileEnum)->Unit(benchmark::kMillisecond);

void BM_CompileHostileNumbers(benchmark::State& state) {
  const auto number = [](size_t i) { return fmt::format("{}.5", i * 7919); };
  MeasureHostile(state, fmt::format(R"({{"enum": [{}]}})", Repeated(5'000, number)));
}
BENCHMARK(BM_CompileHostileNumbers)->Unit(benchmark::kMillisecond);

void BM_CompileHostileRepetition(benchmark::State& state) {
  MeasureHostile(state, R"({"type": "string", "pattern": "^(([a-z]{1,50}[0-9]?){1,50}-){1,50}$"})");
}
BENCHMARK(BM_CompileHostileRepetition)->Unit(benchmark::kMillisecond);

// Deterministic, it needs two to the power of twenty states.
void BM_CompileHostileSubsets(benchmark::State& state) {
  MeasureHostile(state, R"({"type": "string", "pattern": "(a|b)*a(a|b){20}$"})");
}
BENCHMARK(BM_CompileHostileSubsets)->Unit(benchmark::kMillisecond);

void BM_CompileHostileBranches(benchmark::State& state) {
  const auto branch = [](size_t i) {
    return fmt::format(
        R"({{"anyOf": [{{"required": ["a{}"]}}, {{"required": ["b{}"]}}, {{"minProperties": {}}}]}})", i, i,
        i);
  };
  MeasureHostile(state, fmt::format(R"({{"type": "object", "allOf": [{}]}})", Repeated(8, branch)));
}
BENCHMARK(BM_CompileHostileBranches)->Unit(benchmark::kMillisecond);

void BM_CompileHostileReferences(benchmark::State& state) {
  const auto definition = [](size_t i) {
    return fmt::format(
        R"("d{}": {{"properties": {{"a": {{"$ref": "#/$defs/d{}"}}, "b": {{"$ref": "#/$defs/d{}"}}}}}})", i,
        (i * 7 + 1) % 1'000, (i * 3 + 2) % 1'000);
  };
  MeasureHostile(state,
                 fmt::format(R"({{"$ref": "#/$defs/d0", "$defs": {{{}}}}})", Repeated(1'000, definition)));
}
BENCHMARK(BM_CompileHostileReferences)->Unit(benchmark::kMillisecond);

void BM_CompileHostileProperties(benchmark::State& state) {
  const auto property = [](size_t i) { return fmt::format(R"("name{}": {{"type": "string"}})", i * 7919); };
  MeasureHostile(state,
                 fmt::format(R"({{"type": "object", "properties": {{{}}}}})", Repeated(5'000, property)));
}
BENCHMARK(BM_CompileHostileProperties)->Unit(benchmark::kMillisecond);

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
