#include "server/batch_run.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "server/gate.h"
#include "server/generation_endpoint.h"

namespace mimo {
namespace {

// Whoever reads the results is always there.
class BatchPeer final : public HttpPeer {
 public:
  bool IsConnected() const override { return true; }
};

}  // namespace

Result<std::unique_ptr<BatchRun>> BatchRun::Create(ServedModel model, const BatchOptions& options,
                                                   BatchResults& results,
                                                   const std::atomic<bool>& interrupted) {
  std::unique_ptr<BatchRun> run(new BatchRun(options, results, interrupted));
  run->accounts_.prices = options.prices;
  MIMO_ASSIGN_OR_RETURN(run->accounts_.usage, UsageStore::Open({}));
  run->model_ = std::move(model);
  run->model_.tool_call_openers = ToolCallOpeners(*run->model_.tokenizer);
  run->accounts_.metrics.SetModel(run->model_.id, run->model_.engine->context_max());
  return run;
}

Result<BatchCounts> BatchRun::Run(std::span<const BatchLine> lines) {
  lines_ = lines;
  ProgressBar progress("batch", lines.size());
  std::vector<std::thread> threads;
  const size_t num_threads = std::min<size_t>(options_.requests_max, lines.size());
  for (size_t i = 0; i < num_threads; ++i) threads.emplace_back([&] { AnswerLines(progress); });
  for (std::thread& thread : threads) thread.join();
  if (failure_) return tl::unexpected(*failure_);
  return counts_;
}

void BatchRun::AnswerLines(ProgressBar& progress) {
  while (const BatchLine* line = NextLine()) {
    const Status status = Answer(*line);
    if (status) {
      progress.Advance(1);
    } else if (status.error().code != ErrorCode::kCancelled) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = status.error();
    }
  }
}

const BatchLine* BatchRun::NextLine() {
  const std::lock_guard lock(mutex_);
  if (interrupted_ || failure_ || lines_.empty()) return nullptr;
  const BatchLine* line = &lines_.front();
  lines_ = lines_.subspan(1);
  return line;
}

Status BatchRun::Answer(const BatchLine& line) {
  const ApiResult<BatchRequest> request = ParseBatchRequest(line);
  bool is_failed = !request;
  std::string result;
  if (request) {
    const std::string request_id = RandomId("req_");
    const HttpReply reply = Reply(*request, request_id);
    is_failed = reply.status != 200;
    // Not the request's own failure: it is answered by the next run.
    if (is_failed && interrupted_) return MakeError(ErrorCode::kCancelled, "interrupted");
    if (reply.status >= 500) MIMO_RETURN_IF_ERROR(model_.engine->Health());
    result = BatchResultLine(line, request_id, reply);
  } else {
    result = BatchResultLine(line, request.error());
  }
  MIMO_RETURN_IF_ERROR(results_.Append(result));
  const std::lock_guard lock(mutex_);
  ++counts_.answered;
  if (is_failed) ++counts_.failed;
  return {};
}

HttpReply BatchRun::Reply(const BatchRequest& request, const std::string& request_id) {
  const BatchPeer peer;
  HttpRequest http;
  http.method = "POST";
  http.path = request.path;
  http.body = request.body;
  http.id = request_id;
  http.peer = &peer;
  const Admission admission = Admit(*CallerOf(http, accounts_), accounts_);
  MIMO_CHECK(admission.meter != nullptr);  // there are no limits
  admission.meter->SetModel({.requested = model_.id, .booked_as = model_.id, .served = model_.id});
  return HandleGeneration(request.route,
                          {.request = http,
                           .model = model_,
                           .options = route_options_,
                           .ending = interrupted_,
                           .meter = admission.meter},
                          responses_);
}

}  // namespace mimo
