#include "home/home.h"

#include <algorithm>

#include "home/case_folding_table.h"
#include "text/unicode.h"

namespace mimo {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

uint32_t FoldCodePoint(uint32_t value) {
  if (value < 0x80) return value >= 'A' && value <= 'Z' ? value + ('a' - 'A') : value;
  const std::span<const CaseFoldingRange> ranges = CaseFoldingRanges();
  const auto range = std::lower_bound(
      ranges.begin(), ranges.end(), value,
      [](const CaseFoldingRange& each, uint32_t code_point) { return each.last < code_point; });
  if (range == ranges.end() || value < range->first || (value - range->first) % range->step != 0)
    return value;
  return static_cast<uint32_t>(static_cast<int32_t>(value) + range->delta);
}

// A device may stand on a floor without standing in a room.
std::string FloorNameOf(const Home& home, const HomeDevice& device) {
  if (const HomeArea* area = home.FindArea(device.area_id)) {
    const HomeFloor* floor = home.FindFloor(area->floor_id);
    return floor == nullptr ? "" : floor->name;
  }
  const auto attribute = device.attributes.find("floor");
  if (attribute == device.attributes.end() || !attribute->is_string()) return "";
  const HomeFloor* floor = home.FindFloor(attribute->get_ref<const std::string&>());
  return floor == nullptr ? "" : floor->name;
}

// The selection, folded once.
struct FoldedSelection {
  std::string name;
  std::string area;
  std::string floor;
  std::string domain;
  std::string device_class;
};

bool IsSelected(const Home& home, const HomeDevice& device, const FoldedSelection& wanted) {
  if (!wanted.domain.empty() && FoldName(device.domain) != wanted.domain) return false;
  if (!wanted.device_class.empty() && FoldName(device.device_class) != wanted.device_class) return false;
  if (!wanted.name.empty() && FoldName(device.name) != wanted.name) return false;
  if (!wanted.area.empty()) {
    const HomeArea* area = home.FindArea(device.area_id);
    if (area == nullptr || FoldName(area->name) != wanted.area) return false;
  }
  return wanted.floor.empty() || FoldName(FloorNameOf(home, device)) == wanted.floor;
}

}  // namespace

const HomeFloor* Home::FindFloor(std::string_view id) const {
  const auto found =
      std::find_if(floors.begin(), floors.end(), [id](const HomeFloor& floor) { return floor.id == id; });
  return found == floors.end() || id.empty() ? nullptr : &*found;
}

const HomeArea* Home::FindArea(std::string_view id) const {
  const auto found =
      std::find_if(areas.begin(), areas.end(), [id](const HomeArea& area) { return area.id == id; });
  return found == areas.end() || id.empty() ? nullptr : &*found;
}

std::string FoldName(std::string_view name) {
  std::string buffer;
  const std::string_view normal = NormalizeNfc(Trimmed(name), buffer);
  std::string folded;
  folded.reserve(normal.size());
  for (size_t position = 0; position < normal.size();) {
    const CodePoint code_point = DecodeUtf8(normal, position);
    if (code_point.value == CodePoint::kInvalid) {
      folded += normal[position];
    } else {
      AppendUtf8(FoldCodePoint(code_point.value), folded);
    }
    position += code_point.length;
  }
  return folded;
}

std::vector<size_t> SelectDevices(const Home& home, const DeviceSelection& selection) {
  FoldedSelection wanted{FoldName(selection.name), FoldName(selection.area), FoldName(selection.floor),
                         FoldName(selection.domain), FoldName(selection.device_class)};
  if (wanted.name == "all") wanted.name.clear();
  std::vector<size_t> selected;
  for (size_t index = 0; index < home.devices.size(); ++index) {
    if (IsSelected(home, home.devices[index], wanted)) selected.push_back(index);
  }
  return selected;
}

}  // namespace mimo
