#include "engine/prefix_disk.h"

#include <algorithm>
#include <utility>

namespace mimo {
namespace {

// A restart is worth its reads from here on: below, computing is as quick.
constexpr uint32_t kTokensSavedMin = 16;

}  // namespace

// Parents are whole and got their keys before: the cache walks from the root.
const PrefixKey& PrefixDisk::KeyOf(PrefixNode& node) {
  if (node.parent == nullptr || node.has_key) return node.key;
  node.key = ExtendPrefixKey(KeyOf(*node.parent), node.tokens);
  node.has_key = true;
  return node.key;
}

void PrefixDisk::BeginWrites() {
  const uint64_t num_evictions = store_->stats().num_evictions;
  if (num_evictions != num_evictions_) ++epoch_;
  num_evictions_ = num_evictions;
}

void PrefixDisk::NoteOnDisk(PrefixNode& node, const PrefixKey& key) const {
  node.key = key;
  node.has_key = true;
  node.disk_epoch = epoch_;
}

void PrefixDisk::NoteOnDisk(WindowSnapshot& snapshot) const { snapshot.disk_epoch = epoch_; }

bool PrefixDisk::WriteBlock(PrefixNode& node) {
  const PrefixKey& key = KeyOf(node);
  if (node.disk_epoch == epoch_) return true;
  if (Has(CacheEntryKind::kKvBlock, key)) {
    node.disk_epoch = epoch_;
    return true;
  }
  CacheEntry entry{.kind = CacheEntryKind::kKvBlock,
                   .place = {.parent = node.parent->key, .position = node.begin, .tokens = node.tokens}};
  entry.payload.resize(memory_.BlockBytes());
  memory_.ExportBlock(node.block, entry.payload);
  if (!store_->Put(std::move(entry))) return false;
  node.disk_epoch = epoch_;
  return true;
}

void PrefixDisk::WriteWindow(WindowSnapshot& snapshot) {
  if (snapshot.disk_epoch == epoch_) return;
  PrefixNode& node = *snapshot.node;
  KeyOf(node);
  CacheEntry entry{.kind = CacheEntryKind::kWindowSnapshot,
                   .place = {.parent = node.parent->key, .position = node.begin, .tokens = node.tokens}};
  entry.place.tokens.resize(snapshot.end - node.begin);
  entry.payload = snapshot.bytes;
  if (store_->Put(std::move(entry))) NoteOnDisk(snapshot);
}

void PrefixDisk::Touch(PrefixNode& node) { store_->Touch({CacheEntryKind::kKvBlock, KeyOf(node)}); }

std::vector<PrefixDiskItem> PrefixDisk::FindMissing(std::span<const TokenId> tokens, const PrefixKey& salt,
                                                    const PrefixTree::Match& match, uint32_t first_position) {
  const auto num_tokens = static_cast<uint32_t>(tokens.size());
  std::vector<PrefixDiskItem> items;
  std::vector<PrefixKey> keys = {salt};  // of the whole blocks, from the empty prefix on
  const auto look_up = [&](CacheEntryKind kind, uint32_t begin, uint32_t end) {
    const auto part = tokens.subspan(begin, end - begin);
    const PrefixKey& parent = keys[begin / kKvBlockTokens];
    const PrefixKey key = ExtendPrefixKey(parent, part);
    if (!Has(kind, key)) return false;
    items.push_back({.kind = kind,
                     .key = key,
                     .place = {.parent = parent, .position = begin, .tokens = {part.begin(), part.end()}}});
    return true;
  };
  for (PrefixNode* node : match.blocks) keys.push_back(KeyOf(*node));
  auto end = static_cast<uint32_t>(match.blocks.size()) * kKvBlockTokens;
  while (end + kKvBlockTokens <= num_tokens && look_up(CacheEntryKind::kKvBlock, end, end + kKvBlockTokens)) {
    keys.push_back(items.back().key);
    end += kKvBlockTokens;
  }
  // The block that a turn ended inside of, if it has more than memory.
  const uint32_t begun = end;
  end = std::max(end, match.num_tokens);
  for (uint32_t tail_end = std::min(num_tokens, begun + kKvBlockTokens - 1); tail_end > end; --tail_end) {
    if (look_up(CacheEntryKind::kKvBlock, begun, tail_end)) end = tail_end;
  }

  const uint32_t cached_end = std::min(end, num_tokens - 1);
  const uint32_t replayed = cached_end - std::min(cached_end, memory_.WindowReplayTokens());
  uint32_t start = std::max(first_position, replayed);
  for (uint32_t window_end = end; window_end > start; --window_end) {
    const uint32_t block_begin = (window_end - 1) / kKvBlockTokens * kKvBlockTokens;
    if (!look_up(CacheEntryKind::kWindowSnapshot, block_begin, window_end)) continue;
    start = std::min(window_end, cached_end);
    break;
  }
  if (start < first_position + kTokensSavedMin) items.clear();
  return items;
}

Result<std::vector<std::byte>> PrefixDisk::Read(const PrefixDiskItem& item) const {
  const uint64_t num_bytes =
      item.kind == CacheEntryKind::kKvBlock ? memory_.BlockBytes() : memory_.WindowBytes(item.end());
  const CacheEntryId id{item.kind, item.key};
  const std::optional<CacheEntryInfo> info = store_->Find(id);
  if (!info) return NotFound("an entry of the prefix cache is no longer on disk");
  if (info->payload_bytes != num_bytes) {
    return DataLoss("an entry of the prefix cache has {} bytes, {} expected", info->payload_bytes, num_bytes);
  }
  std::vector<std::byte> bytes(num_bytes);
  MIMO_RETURN_IF_ERROR(store_->Read(id, item.place, bytes));
  return bytes;
}

}  // namespace mimo
