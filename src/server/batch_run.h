#pragma once
// A batch of requests through the endpoints of the server, without HTTP. Each request is answered as the
// server would answer it, and many are in the engine at once, so that its steps are full.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "base/progress_bar.h"
#include "base/status.h"
#include "server/batch_file.h"
#include "server/batch_results.h"
#include "server/generation_route.h"
#include "server/price_card.h"
#include "server/request_meter.h"
#include "server/responses_store.h"
#include "server/served_model.h"

namespace mimo {

struct BatchOptions {
  // Being answered at once, each on a thread of its own. More than the engine runs at once, so that the next
  // ones are parsed and wait when a sequence ends.
  uint32_t requests_max = 32;
  PriceCard prices = PriceCard::Published();
};

struct BatchCounts {
  uint64_t answered = 0;
  uint64_t failed = 0;  // of these: bad lines, and requests that their endpoint refused
};

class BatchRun {
 public:
  // `results` and `interrupted` must outlive this.
  static Result<std::unique_ptr<BatchRun>> Create(ServedModel model, const BatchOptions& options,
                                                  BatchResults& results,
                                                  const std::atomic<bool>& interrupted);

  // Appends a result for each line, in the order in which they end. Returns early when `interrupted` becomes
  // true: running requests are cancelled and have no result. kUnavailable: the engine has failed, or the
  // results cannot be written; what was answered before is in the results. Once.
  Result<BatchCounts> Run(std::span<const BatchLine> lines);

 private:
  BatchRun(const BatchOptions& options, BatchResults& results, const std::atomic<bool>& interrupted)
      : options_(options), results_(results), interrupted_(interrupted) {}

  // What each thread does.
  void AnswerLines(ProgressBar& progress);
  const BatchLine* NextLine();
  Status Answer(const BatchLine& line);
  HttpReply Reply(const BatchRequest& request, const std::string& request_id);

  const BatchOptions options_;
  BatchResults& results_;
  const std::atomic<bool>& interrupted_;
  const GenerationRouteOptions route_options_;
  ResponsesStore responses_{ResponsesStoreOptions()};
  Accounts accounts_;  // before the model: what its engine still runs is booked there
  ServedModel model_;
  std::mutex mutex_;  // guards what follows
  std::span<const BatchLine> lines_;
  BatchCounts counts_;
  std::optional<Error> failure_;
};

}  // namespace mimo
