// `mimo eval home`.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/eval_model.h"
#include "apps/commands/eval_run.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

struct EvalFlags {
  ModelFlags model;
  UrlModelOptions url;
  std::string file;
  std::string homes;
  std::string language;
  std::string errors;
  uint64_t limit = 0;  // 0 = all
  bool json = false;
};

// "x.jsonl" -> "x-homes.jsonl".
std::string DefaultHomesFile(const std::string& file) {
  const std::string ending = ".jsonl";
  return file.ends_with(ending) ? file.substr(0, file.size() - ending.size()) + "-homes" + ending : "";
}

// No homes file is needed where no record speaks of a home, so only the one that was named must exist.
Result<std::string> ReadHomes(const EvalFlags& flags) {
  if (!flags.homes.empty()) return ReadTextFile(flags.homes);
  const std::string path = DefaultHomesFile(flags.file);
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error)) return std::string();
  return ReadTextFile(path);
}

Result<EvalSet> ReadEvalSet(const EvalFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const std::string records, ReadTextFile(flags.file));
  MIMO_ASSIGN_OR_RETURN(const std::string homes, ReadHomes(flags));
  Result<EvalSet> set = ParseEvalSet(records, homes);
  if (!set) return MakeError(set.error().code, "{} ({})", set.error().message, flags.file);
  return set;
}

// "pt" chooses "pt" and "pt-BR". A limit takes every n-th record, because files are sorted by language.
std::vector<size_t> ChooseRecords(const EvalSet& set, const EvalFlags& flags) {
  std::vector<size_t> all;
  for (size_t index = 0; index < set.records.size(); ++index) {
    const std::string& language = set.records[index].language;
    const bool is_variant = language.starts_with(flags.language + "-");
    if (flags.language.empty() || language == flags.language || is_variant) all.push_back(index);
  }
  if (flags.limit == 0 || flags.limit >= all.size()) return all;
  std::vector<size_t> chosen;
  for (uint64_t number = 0; number < flags.limit; ++number) {
    chosen.push_back(all[number * all.size() / flags.limit]);
  }
  return chosen;
}

Status WriteErrors(const std::string& path, const std::vector<Json>& errors) {
  std::ofstream file(path, std::ios::binary);
  for (const Json& line : errors) file << DumpJson(line) << '\n';
  file.close();
  if (!file) return Unavailable("cannot write ({}): see that the folder exists and has room", path);
  return {};
}

Result<std::unique_ptr<EvalModel>> OpenModel(const EvalFlags& flags) {
  return flags.url.url.empty() ? OpenEngineModel(flags.model) : OpenUrlModel(flags.url);
}

Status EvaluateHome(const EvalFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const EvalSet set, ReadEvalSet(flags));
  const std::vector<size_t> records = ChooseRecords(set, flags);
  if (records.empty()) {
    return InvalidArgument("no sentence is chosen ({}): see the file and --language", flags.file);
  }
  MIMO_ASSIGN_OR_RETURN(const std::unique_ptr<EvalModel> model, OpenModel(flags));
  MIMO_ASSIGN_OR_RETURN(const EvalRunResult result, RunEval(set, records, *model));
  if (!flags.errors.empty()) MIMO_RETURN_IF_ERROR(WriteErrors(flags.errors, result.errors));
  return WriteStdout(flags.json ? DumpJson(result.report.ToJson()) + "\n" : result.report.ToText());
}

}  // namespace

void AddEvalCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = program.add_subcommand(
      "eval", "accuracy on sentences with known answers: 'mimo eval home FILE' for commands to a home");
  // The kind of evaluation is a word of its own, so that the flags stay the command's.
  command->add_option("what", "what is evaluated: home")->required()->check(CLI::IsMember({"home"}));
  command->add_option("file", flags->file, "sentences (JSON Lines, docs/formats/home-eval.md)")->required();
  AddModelFlags(*command, &flags->model);
  command->add_option("--homes", flags->homes, "homes (default: FILE's name with -homes before .jsonl)");
  command->add_option("--url", flags->url.url, "an OpenAI-compatible server instead of --model (http only)");
  command->add_option("--url-model", flags->url.model, "the model's name there");
  command->add_option("--api-key", flags->url.api_key, "the key for it (better: the variable MIMO_API_KEY)");
  command->add_option("--limit", flags->limit, "at most so many sentences, evenly from the file");
  command->add_option("--language", flags->language, "only this language: en, pt or pt-BR");
  command->add_option("--errors", flags->errors, "file for the wrong answers (JSON Lines)");
  command->add_flag("--json", flags->json, "one JSON object; accuracy comes first");
  command->callback([flags, action] { *action = [flags] { return EvaluateHome(*flags); }; });
}

}  // namespace mimo
