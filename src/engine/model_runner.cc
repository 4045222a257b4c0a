#include "engine/model_runner.h"

#include <utility>

namespace mimo {
namespace {

class StorageModelRunner : public ModelRunner {
 public:
  StorageModelRunner(Model model, KvStorage kv) : model_(std::move(model)), kv_(std::move(kv)) {}

  const ModelConfig& config() const override { return model_.config(); }
  Result<std::span<const float>> Forward(Batch batch) override { return model_.Forward(batch, kv_); }

  uint32_t WindowReplayTokens() const override {
    return mimo::WindowReplayTokens(model_.config(), kv_.options().serves_mtp);
  }
  uint32_t FirstPositionOfWindow(uint32_t end) const override { return kv_.FirstPositionOfWindow(end); }
  uint64_t BlockBytes() const override { return kv_.BlockBytes(); }
  uint64_t WindowBytes(uint32_t end) const override { return kv_.WindowBytes(end); }
  void CopyBlock(KvBlockId from, KvBlockId to) override { kv_.CopyBlock(from, to); }
  void ExportBlock(KvBlockId block, std::span<std::byte> out) const override { kv_.ExportBlock(block, out); }
  Status ImportBlock(std::span<const std::byte> bytes, KvBlockId block) override {
    return kv_.ImportBlock(bytes, block);
  }
  void ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const override {
    kv_.ExportWindow(ring, end, out);
  }
  Status ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring) override {
    return kv_.ImportWindow(bytes, end, ring);
  }
  void GiveBack(std::span<const KvBlockId> blocks) override { kv_.GiveBack(blocks); }

 private:
  Model model_;
  KvStorage kv_;
};

}  // namespace

std::unique_ptr<ModelRunner> MakeModelRunner(Model model, KvStorage kv) {
  return std::make_unique<StorageModelRunner>(std::move(model), std::move(kv));
}

}  // namespace mimo
