#include "data/request_hash.h"

#include "data/random.h"

namespace mimo {
namespace {

constexpr uint64_t kHeldOutDivisor = 16;

}  // namespace

uint64_t HashText(std::string_view text, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return MixBits(hash);
}

uint64_t HashHome(const Home& home, std::string_view speaker_area) {
  uint64_t hash = HashText(speaker_area, 1);
  for (const HomeFloor& floor : home.floors) hash = HashText(floor.name, hash);
  for (const HomeArea& area : home.areas) hash = HashText(area.name, HashText(area.floor_id, hash));
  for (const HomeDevice& device : home.devices) {
    hash = HashText(device.name, HashText(device.area_id, HashText(device.domain, hash)));
  }
  return hash;
}

bool IsHeldOut(const TurnDraft& draft) {
  uint64_t hash = HashText(draft.situation, 2);
  hash = HashText(DumpJson(draft.call.arguments), hash);
  // A meaning without values of its own is held out sentence by sentence.
  if (!draft.has_open_values) hash = HashText(draft.phrase, hash);
  return hash % kHeldOutDivisor == 0;
}

}  // namespace mimo
