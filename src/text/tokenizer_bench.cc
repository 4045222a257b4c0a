// Encoding speed with the full vocabulary, on the sources of this module (code) and on text without spaces.

#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

std::string SourceText(size_t size) {
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(MIMO_SOURCE_DIR) + "/src/text")) {
    if (entry.path().filename() == "unicode_tables.cc") continue;
    std::ostringstream contents;
    contents << std::ifstream(entry.path()).rdbuf();
    text += contents.str();
  }
  while (text.size() < size) text += text;
  return text.substr(0, size);
}

void Measure(benchmark::State& state, const std::string& text) {
  const Tokenizer& tokenizer = BuiltinTokenizer();
  size_t num_tokens = 0;
  for (auto _ : state) num_tokens += tokenizer.Encode(text, AddedTokens::kParse).size();
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(text.size()));
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(num_tokens), benchmark::Counter::kIsRate);
}

void BM_EncodeSource(benchmark::State& state) {
  Measure(state, SourceText(static_cast<size_t>(state.range(0))));
}
BENCHMARK(BM_EncodeSource)->Arg(1 << 10)->Arg(1 << 21)->Arg(1 << 22)->Unit(benchmark::kMillisecond);

void BM_EncodeLettersWithoutSpaces(benchmark::State& state) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < static_cast<size_t>(state.range(0)))
    text.push_back(static_cast<char>('a' + random() % 26));
  Measure(state, text);
}
BENCHMARK(BM_EncodeLettersWithoutSpaces)->Arg(1 << 20)->Arg(1 << 21)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mimo
