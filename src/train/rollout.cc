#include "train/rollout.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "data/render.h"
#include "engine/engine.h"
#include "home/home_simulator.h"
#include "text/encode_prompt.h"
#include "text/output_parser.h"
#include "weights/checkpoint.h"

namespace mimo {
namespace {

constexpr uint32_t kSequencesMax = 32;

bool SameValue(const Json& left, const Json& right) {
  if (left.is_number() && right.is_number()) return std::abs(left.get<double>() - right.get<double>()) < 1e-9;
  if (left.is_string() && right.is_string()) {
    return FoldName(left.get_ref<const std::string&>()) == FoldName(right.get_ref<const std::string&>());
  }
  return left == right;
}

bool SameCall(const ToolCall& left, const ToolCall& right) {
  if (left.name != right.name || left.arguments.size() != right.arguments.size()) return false;
  for (const auto& [key, value] : left.arguments.items()) {
    const auto other = right.arguments.find(key);
    if (other == right.arguments.end() || !SameValue(value, *other)) return false;
  }
  return true;
}

// Collects the answers of requests that run at the same time.
class AnswerCollector {
 public:
  explicit AnswerCollector(size_t num_answers) : answers_(num_answers), open_(num_answers) {}

  EventSink SinkFor(size_t index) {
    return [this, index](GenerationEvent event) {
      const std::lock_guard lock(mutex_);
      Rollout& answer = answers_[index];
      answer.text += event.text;
      for (const SampledToken& token : event.tokens) {
        answer.tokens.push_back(token.token);
        answer.logprobs.push_back(token.logprob);
      }
      if (!event.finish) return;
      if (event.error && status_) status_ = tl::unexpected(*event.error);
      --open_;
      done_.notify_all();
    };
  }

  // Waits until fewer than `limit` of the `submitted` requests are still running.
  void WaitBelow(size_t submitted, size_t limit) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return submitted - (answers_.size() - open_) < limit; });
  }

  Result<std::vector<Rollout>> Finish() {
    std::unique_lock lock(mutex_);
    if (!status_) return tl::unexpected(status_.error());
    return std::move(answers_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<Rollout> answers_;
  size_t open_;
  Status status_;
};

}  // namespace

Result<std::vector<RolloutTask>> RolloutTasks(const Conversation& conversation, const Tokenizer& tokenizer) {
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  std::vector<RolloutTask> tasks;
  Home home = conversation.home;
  for (size_t i = 0; i < conversation.turns.size(); ++i) {
    ChatRequest request = ConversationRequest(conversation, i);
    request.messages.push_back(TextMessage("user", conversation.turns[i].user));
    request.add_generation_prompt = true;
    MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, chat_template.RenderPrompt(request));
    tasks.push_back({.prompt = EncodePrompt(tokenizer, prompt),
                     .tools = conversation.tools,
                     .turn = conversation.turns[i],
                     .language = conversation.language,
                     .home = home,
                     .speaker_area = conversation.speaker_area});
    for (const ToolCall& call : conversation.turns[i].calls) {
      ApplyToolCall(home, call, {.speaker_area = conversation.speaker_area});
    }
  }
  return tasks;
}

double RolloutReward(const ConversationTurn& turn, const Rollout& rollout) {
  if (turn.calls.empty()) return rollout.calls.empty() && !FoldName(rollout.text).empty() ? 1 : 0;
  if (turn.calls.size() != rollout.calls.size()) return 0;
  std::vector<ToolCall> open = rollout.calls;
  for (const ToolCall& due : turn.calls) {
    const auto found =
        std::find_if(open.begin(), open.end(), [&](const ToolCall& made) { return SameCall(due, made); });
    if (found == open.end()) return 0;
    open.erase(found);
  }
  return 1;
}

struct RolloutSampler::Impl {
  RolloutOptions options;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;  // last: it uses the others
};

RolloutSampler::RolloutSampler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RolloutSampler::~RolloutSampler() = default;
RolloutSampler::RolloutSampler(RolloutSampler&&) noexcept = default;

const Tokenizer& RolloutSampler::tokenizer() const { return *impl_->tokenizer; }

Result<RolloutSampler> RolloutSampler::Open(const std::string& folder, const RolloutOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  MIMO_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(folder, {}));
  impl->checkpoint = std::make_unique<Checkpoint>(std::move(checkpoint));
  MIMO_ASSIGN_OR_RETURN(TokenizerData data, ParseTokenizerJson(impl->checkpoint->tokenizer().tokenizer_json));
  MIMO_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Create(std::move(data)));
  impl->tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  ModelOptions model_options;
  model_options.num_threads = options.num_threads;
  MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(*impl->checkpoint, model_options));
  EngineOptions engine_options;
  engine_options.sequences_max = kSequencesMax;
  engine_options.kv_type = KvType::kF32;  // the log-probabilities are compared with the trainer's
  MIMO_ASSIGN_OR_RETURN(impl->engine, Engine::Create(std::move(model), *impl->tokenizer, engine_options));
  return RolloutSampler(std::move(impl));
}

Result<std::vector<Rollout>> RolloutSampler::Sample(std::span<const RolloutTask> tasks, uint32_t per_task) {
  AnswerCollector collector(tasks.size() * per_task);
  Status submitted;
  size_t running = 0;
  for (size_t i = 0; i < tasks.size() * per_task && submitted; ++i) {
    GenerationRequest request;
    request.prompt = tasks[i / per_task].prompt;
    request.max_tokens = impl_->options.tokens_max;
    request.sampling.temperature = impl_->options.temperature;
    request.sampling.seed = impl_->options.seed + i;
    request.sampling.report_logprobs = true;
    collector.WaitBelow(running, size_t{2} * kSequencesMax);  // keeps the engine busy and its queue short
    const Result<RequestId> id = impl_->engine->Submit(std::move(request), collector.SinkFor(i));
    if (id) {
      ++running;
    } else {
      submitted = tl::unexpected(id.error());
    }
  }
  collector.WaitBelow(running, 1);
  MIMO_RETURN_IF_ERROR(submitted);
  MIMO_ASSIGN_OR_RETURN(std::vector<Rollout> rollouts, collector.Finish());
  for (size_t i = 0; i < rollouts.size(); ++i) {
    const RolloutTask& task = tasks[i / per_task];
    ParsedOutput parsed = ParseOutput(rollouts[i].text, {.parse_tool_calls = true, .tools = task.tools});
    rollouts[i].calls = std::move(parsed.tool_calls);
    rollouts[i].text = std::move(parsed.content);
    rollouts[i].reward = RolloutReward(task.turn, rollouts[i]);
  }
  return rollouts;
}

}  // namespace mimo
