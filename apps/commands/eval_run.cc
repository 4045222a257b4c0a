#include "apps/commands/eval_run.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/progress_bar.h"

namespace mimo {
namespace {

Json TranscriptJson(const EvalTranscript& transcript) {
  Json json = Json::array();
  for (const EvalReply& reply : transcript.replies) {
    Json entry = {{"text", reply.text}, {"calls", Json::array()}};
    for (const ToolCall& call : reply.calls) {
      entry["calls"].push_back({{"name", call.name}, {"arguments", call.arguments}});
    }
    json.push_back(std::move(entry));
  }
  return json;
}

// The judgement of one record, and what is to be written about it when it is wrong.
struct Outcome {
  EvalCase eval_case;
  Judgement judgement;
  Json got;
};

Result<Outcome> AskOne(const EvalSet& set, size_t record_index, EvalModel& model) {
  Outcome outcome;
  MIMO_ASSIGN_OR_RETURN(outcome.eval_case, MakeEvalCase(set, record_index));
  EvalConversation conversation(outcome.eval_case);
  // What cannot be scored need not be asked.
  while (outcome.eval_case.not_scored.empty() && !conversation.done()) {
    Result<EvalReply> reply = model.Answer(conversation.request());
    if (!reply && reply.error().code != ErrorCode::kInvalidArgument) {
      return tl::unexpected<Error>(reply.error());
    }
    if (!reply) break;  // too long for the model: no reply, which is wrong
    conversation.Receive(*std::move(reply));
  }
  outcome.judgement = Judge(outcome.eval_case, conversation.transcript());
  outcome.got = TranscriptJson(conversation.transcript());
  return outcome;
}

Json ErrorLine(const EvalRecord& record, const Outcome& outcome) {
  return {{"id", record.id},
          {"language", record.language},
          {"kind", record.kind},
          {"utterance", outcome.eval_case.utterance},
          {"reason", outcome.judgement.reason},
          {"expected", record.expect},
          {"got", outcome.got}};
}

}  // namespace

Result<EvalRunResult> RunEval(const EvalSet& set, const std::vector<size_t>& records, EvalModel& model) {
  std::atomic<size_t> next{0};
  std::mutex mutex;  // guards result, lines and error
  EvalRunResult result;
  std::vector<Json> lines(records.size());  // null where the record is right
  std::optional<Error> error;
  ProgressBar progress("sentences", records.size());
  const auto work = [&] {
    while (true) {
      const size_t position = next.fetch_add(1);
      if (position >= records.size()) return;
      const Result<Outcome> outcome = AskOne(set, records[position], model);
      const std::lock_guard lock(mutex);
      if (!outcome) {
        if (!error) error = outcome.error();
        next = records.size();  // the others stop after their sentence
        return;
      }
      result.report.Add(outcome->eval_case, outcome->judgement);
      if (outcome->judgement.verdict == Verdict::kWrong) {
        lines[position] = ErrorLine(set.records[records[position]], *outcome);
      }
      progress.Advance(1);
    }
  };
  std::vector<std::thread> threads;
  const size_t num_threads = std::min<size_t>(kEvalRequestsAtOnce, records.size());
  for (size_t index = 0; index < num_threads; ++index) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (error) return tl::unexpected<Error>(*std::move(error));
  for (Json& line : lines) {
    if (!line.is_null()) result.errors.push_back(std::move(line));
  }
  return result;
}

}  // namespace mimo
