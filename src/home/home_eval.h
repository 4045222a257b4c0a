#pragma once
// Accuracy on sentences whose right action is known. docs/formats/home-eval.md has the rules.
//
//   records + homes -> EvalSet -> MakeEvalCase -> EvalConversation <-> the model -> Judge -> EvalReport

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "home/home.h"
#include "home/home_simulator.h"
#include "home/name_aliases.h"
#include "text/chat_message.h"

namespace mimo {

struct EvalRecord {
  std::string id;
  std::string utterance;
  std::string language;
  std::string kind;
  std::string home_key;  // empty: no home is known
  Json expect;           // an object
  Json context;          // an object: "area", "domain", "device_class"
  Json setup;            // an object: entity id -> {"state", "attributes"}
  std::string bad_first_call;
  std::string error;
  int64_t unix_seconds = 0;  // context_now
  bool weak_label = false;
  // Every expectation for this sentence in this home and context, its own first: any is right.
  std::vector<Json> alternatives;
};

struct EvalSet {
  std::vector<EvalRecord> records;
  std::map<std::string, Json> homes;  // by key, as in the file
};

// Both texts are JSON Lines; `homes` may be empty. kInvalidArgument names the line and the field.
// kNotFound for a record whose home is not among the homes.
Result<EvalSet> ParseEvalSet(std::string_view records, std::string_view homes);

// One service that a record expects, in terms of our tools; which tools, eval_services.h says.
struct ExpectedService {
  std::string service;                 // "light.turn_on"; "status": its state is asked for
  std::optional<size_t> device_index;  // in the case's home; a timer is no device
  Json arguments = Json::object();     // what else must be said: {"item": "oat milk"}
};

// A record, ready to be asked. `record` must outlive it.
struct EvalCase {
  const EvalRecord* record = nullptr;
  Home home;
  NameAliases aliases;
  std::string utterance;  // placeholders filled
  std::string speaker_area;
  std::vector<ToolDefinition> tools;
  std::vector<ExpectedService> services;
  std::vector<ChatMessage> history;  // between the system prompt and the utterance's answer
  uint32_t rounds_max = 1;           // replies of the model
  bool is_robustness = false;        // not part of the accuracy
  std::string not_scored;            // why it cannot be; empty: it can
};

Result<EvalCase> MakeEvalCase(const EvalSet& set, size_t record_index);

// What the model answered to one request.
struct EvalReply {
  std::vector<ToolCall> calls;
  std::string text;
};

struct EvalTranscript {
  std::vector<EvalReply> replies;
  Home home_after;
  bool all_calls_ok = true;
};

// The exchange about one case: calls are carried out in the simulated home and their results fed back, until
// a reply without calls or the most rounds.
class EvalConversation {
 public:
  // `eval_case` must outlive it.
  explicit EvalConversation(const EvalCase& eval_case);

  bool done() const { return done_; }
  // Requires: !done().
  const ChatRequest& request() const { return request_; }
  // Requires: !done().
  void Receive(EvalReply reply);
  const EvalTranscript& transcript() const { return transcript_; }

 private:
  const EvalCase& case_;
  CallContext context_;
  ChatRequest request_;
  EvalTranscript transcript_;
  bool done_ = false;
};

enum class Verdict { kRight, kWrong, kNotScored };

struct Judgement {
  Verdict verdict = Verdict::kWrong;
  std::string reason;  // empty when right
};

Judgement Judge(const EvalCase& eval_case, const EvalTranscript& transcript);

struct EvalTally {
  uint64_t right = 0;
  uint64_t scored = 0;

  double accuracy() const;  // 0 when nothing was scored
};

struct AccuracyInterval {
  double low = 0;
  double high = 1;
};

// Wilson's score interval at 95 %: right at small counts and near 0 and 1, where the normal one is not.
AccuracyInterval WilsonInterval(const EvalTally& tally);

// Counts judgements. Not thread-safe.
class EvalReport {
 public:
  void Add(const EvalCase& eval_case, const Judgement& judgement);

  const EvalTally& total() const { return total_; }
  // `accuracy` first, then the rest of docs/formats/home-eval.md.
  Json ToJson() const;
  std::string ToText() const;

 private:
  EvalTally total_;
  EvalTally robustness_;
  std::map<std::string, EvalTally> by_language_;
  std::map<std::string, EvalTally> by_kind_;
  std::map<std::string, EvalTally> by_intent_;
  std::map<std::string, uint64_t> not_scored_;  // by reason
};

}  // namespace mimo
