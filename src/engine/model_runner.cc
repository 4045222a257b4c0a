#include "engine/model_runner.h"

#include <utility>

namespace mimo {
namespace {

class StorageModelRunner : public ModelRunner {
 public:
  StorageModelRunner(Model model, KvStorage kv) : model_(std::move(model)), kv_(std::move(kv)) {}

  const ModelConfig& config() const override { return model_.config(); }
  Result<std::span<const float>> Forward(Batch batch) override { return model_.Forward(batch, kv_); }

 private:
  Model model_;
  KvStorage kv_;
};

}  // namespace

std::unique_ptr<ModelRunner> MakeModelRunner(Model model, KvStorage kv) {
  return std::make_unique<StorageModelRunner>(std::move(model), std::move(kv));
}

}  // namespace mimo
