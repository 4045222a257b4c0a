#include "text/grammar_matcher.h"

#include <algorithm>

#include "base/mix_bits.h"

namespace mimo {
namespace {

// More alternatives at one place than this make a mask too slow.
constexpr size_t kThreadsMax = 1024;
constexpr size_t kBuckets = 1024;

// Of frames of objects and arrays: what has just been read.
enum Phase : uint32_t { kOpened, kItem, kSeparated, kAnyKey, kRequiredKey };

size_t Bucket(uint64_t a, uint64_t b, uint64_t c) { return MixBits(MixBits(a + (b << 32)) ^ c) % kBuckets; }

}  // namespace

GrammarStacks::GrammarStacks(const GrammarProgram* program)
    : program_(program), frames_(1), keys_(1), frame_buckets_(kBuckets, 0), key_buckets_(kBuckets, 0) {}

GrammarThreads GrammarStacks::Start() {
  GrammarThreads threads;
  out_ = &threads;
  resumed_.clear();
  Enter(program_->root, 0);
  return threads;
}

uint32_t GrammarStacks::Push(uint32_t parent, GrammarNodeId node, uint32_t phase, uint32_t data) {
  const size_t bucket = Bucket(parent, node, uint64_t{phase} << 32 | data);
  for (uint32_t id = frame_buckets_[bucket]; id != 0; id = frames_[id].next_in_bucket) {
    const Frame& frame = frames_[id];
    if (frame.parent == parent && frame.node == node && frame.phase == phase && frame.data == data) return id;
  }
  const auto id = static_cast<uint32_t>(frames_.size());
  frames_.push_back({parent, node, phase, data, frames_[parent].depth + 1, frame_buckets_[bucket]});
  frame_buckets_[bucket] = id;
  return id;
}

// The newest of a bucket is its head, so taking back in reverse order restores the chains.
void GrammarStacks::Restore(const Mark& mark) {
  while (frames_.size() > mark.num_frames) {
    const Frame& frame = frames_.back();
    frame_buckets_[Bucket(frame.parent, frame.node, uint64_t{frame.phase} << 32 | frame.data)] =
        frame.next_in_bucket;
    frames_.pop_back();
  }
  while (keys_.size() > mark.num_keys) {
    const Key& key = keys_.back();
    key_buckets_[Bucket(key.previous, key.entry, uint64_t{key.begin} << 32 | key.size)] = key.next_in_bucket;
    keys_.pop_back();
  }
  text.resize(mark.text_size);
}

void GrammarStacks::Emit(const GrammarThread& thread) {
  work_ += 1 + out_->size() / 8;
  if (std::find(out_->begin(), out_->end(), thread) != out_->end()) return;
  if (out_->size() >= kThreadsMax) {
    overflowed_ = true;
    return;
  }
  out_->push_back(thread);
}

// Begins `node`, whose end resumes frame `parent`. What would be nested too deeply is left out; its
// alternatives are not, because a node's height counts its shallowest text.
void GrammarStacks::Enter(GrammarNodeId id, uint32_t parent) {
  const GrammarNode& node = program_->nodes[id];
  ++work_;
  if (node.height == kUnbounded || frames_[parent].depth + node.height > program_->depth_max) return;
  switch (node.kind) {
    case GrammarNode::Kind::kTerminal:
    case GrammarNode::Kind::kString:
      return Emit({parent, id, program_->terminals[node.index]->dfa.start, 0});
    case GrammarNode::Kind::kSequence:
      return EnterSequence(id, 0, parent);
    case GrammarNode::Kind::kChoice:
      for (const GrammarNodeId child : node.children) Enter(child, parent);
      return;
    case GrammarNode::Kind::kRepeat:
      return EnterRepeat(id, 0, parent);
    case GrammarNode::Kind::kObject:
      return Enter(program_->objects[node.index].open, Push(parent, id, kOpened, 0));
    case GrammarNode::Kind::kArray:
      return Enter(program_->arrays[node.index].open, Push(parent, id, kOpened, 0));
  }
}

// The last child gets the sequence's own parent, so that right recursion does not deepen the stack.
void GrammarStacks::EnterSequence(GrammarNodeId id, uint32_t next, uint32_t parent) {
  const std::vector<GrammarNodeId>& children = program_->nodes[id].children;
  const bool is_last = next + 1 == children.size();
  Enter(children[next], is_last ? parent : Push(parent, id, next + 1, 0));
}

void GrammarStacks::EnterRepeat(GrammarNodeId id, uint32_t times, uint32_t parent) {
  const GrammarNode& node = program_->nodes[id];
  if (times >= node.min) Resume(parent);
  if (times >= node.max) return;
  // Where nothing limits the number, states that only differ by it are one.
  const uint32_t counted = node.max == kUnbounded ? std::min(times + 1, node.min) : times + 1;
  Enter(node.children[0], Push(parent, id, counted, 0));
}

void GrammarStacks::Resume(uint32_t frame_id) {
  ++work_;
  if (std::find(resumed_.begin(), resumed_.end(), frame_id) != resumed_.end()) return;
  resumed_.push_back(frame_id);
  if (frame_id == 0) return Emit({});
  const Frame frame = frames_[frame_id];
  switch (program_->nodes[frame.node].kind) {
    case GrammarNode::Kind::kSequence:
      return EnterSequence(frame.node, frame.phase, frame.parent);
    case GrammarNode::Kind::kRepeat:
      return EnterRepeat(frame.node, frame.phase, frame.parent);
    case GrammarNode::Kind::kObject:
      return ContinueObject(frame);
    case GrammarNode::Kind::kArray:
      return ContinueArray(frame);
    default:
      return;
  }
}

void GrammarStacks::ContinueObject(const Frame& frame) {
  const GrammarObject& object = program_->objects[program_->nodes[frame.node].index];
  if (frame.phase == kSeparated) return EnterKey(frame);
  const Key& last = keys_[frame.data];
  if (last.required_count == object.required_count && last.count >= object.min) {
    Enter(frame.phase == kOpened ? object.close_empty : object.close, frame.parent);
  }
  const uint64_t num_keys = object.keys_words[object.keys->dfa.start];
  if (last.count >= object.max || last.count >= num_keys) return;
  if (frame.phase == kOpened || object.separator == kNoGrammarNode) return EnterKey(frame);
  Enter(object.separator, Push(frame.parent, frame.node, kSeparated, frame.data));
}

// Where only the required keys still have room, in number or in depth, the others are not offered.
void GrammarStacks::EnterKey(const Frame& frame) {
  const GrammarObject& object = program_->objects[program_->nodes[frame.node].index];
  const Key& last = keys_[frame.data];
  const uint32_t required_left = object.required_count - last.required_count;
  const uint32_t room = object.max - last.count;
  const bool is_deep = frames_[frame.parent].depth + 1 + object.value_height_max > program_->depth_max;
  const bool only_required = room == required_left || (is_deep && required_left > 0);
  if (is_deep && !only_required && last.count >= object.min) return;
  const GrammarTerminal& keys = only_required ? *object.required_keys : *object.keys;
  const uint32_t parent = Push(frame.parent, frame.node, only_required ? kRequiredKey : kAnyKey, frame.data);
  if (!keys.dfa.IsEmpty()) {
    Emit({parent, frame.node, keys.dfa.start, static_cast<uint32_t>(text.size())});
  }
}

void GrammarStacks::ContinueArray(const Frame& frame) {
  const GrammarArray& array = program_->arrays[program_->nodes[frame.node].index];
  const uint32_t num_items = frame.data;
  if (frame.phase == kSeparated) {
    return Enter(array.ItemAt(num_items), Push(frame.parent, frame.node, kItem, num_items + 1));
  }
  if (num_items >= array.min) {
    Enter(frame.phase == kOpened ? array.close_empty : array.close, frame.parent);
  }
  if (num_items >= array.max) return;
  const GrammarNodeId item = array.ItemAt(num_items);
  const uint32_t depth = frames_[frame.parent].depth + 1;
  if (depth + program_->nodes[item].height > program_->depth_max) return;
  // Beyond what is counted, states that only differ by the number are one.
  const uint32_t counted_max = std::max(array.min, static_cast<uint32_t>(array.prefix.size())) + 1;
  const uint32_t counted = array.max == kUnbounded ? std::min(num_items, counted_max) : num_items;
  if (frame.phase == kOpened) {
    return Enter(item, Push(frame.parent, frame.node, kItem, counted + 1));
  }
  Enter(array.separator, Push(frame.parent, frame.node, kSeparated, counted));
}

void GrammarStacks::ResumeKey(const GrammarThread& thread) {
  const Frame frame = frames_[thread.parent];
  const GrammarObject& object = program_->objects[program_->nodes[frame.node].index];
  const uint32_t entry = TerminalOf(thread).dfa.label[thread.state] - 1;
  const std::string_view key_text = std::string_view(text).substr(thread.count);
  const uint32_t key = AddKey(frame.data, entry, object.entries[entry].required, key_text);
  Enter(object.entries[entry].value, Push(frame.parent, frame.node, kItem, key));
}

uint32_t GrammarStacks::AddKey(uint32_t previous, uint32_t entry, bool required, std::string_view key_text) {
  const auto begin = static_cast<uint32_t>(key_text.data() - text.data());
  const auto size = static_cast<uint32_t>(key_text.size());
  const uint32_t count = keys_[previous].count + 1;
  const uint32_t required_count = keys_[previous].required_count + (required ? 1 : 0);
  const size_t bucket = Bucket(previous, entry, uint64_t{begin} << 32 | size);
  for (uint32_t id = key_buckets_[bucket]; id != 0; id = keys_[id].next_in_bucket) {
    const Key& key = keys_[id];
    // One place of the text may hold different bytes while tokens are tried, but not within one thread's
    // past; what was tried is restored before the next token of another path, or shares these bytes.
    // Alternatives share their keys, but what one requires may be optional in another.
    if (key.previous == previous && key.entry == entry && key.begin == begin && key.size == size &&
        key.required_count == required_count) {
      return id;
    }
  }
  const auto id = static_cast<uint32_t>(keys_.size());
  keys_.push_back({previous, entry, begin, size, count, required_count, key_buckets_[bucket]});
  key_buckets_[bucket] = id;
  return id;
}

bool GrammarStacks::IsNewKey(uint32_t last, std::string_view key_text) const {
  for (uint32_t id = last; id != 0; id = keys_[id].previous) {
    ++work_;
    if (keys_[id].size == key_text.size() &&
        std::string_view(text).substr(keys_[id].begin, keys_[id].size) == key_text) {
      return false;
    }
  }
  return true;
}

uint64_t GrammarStacks::NumKeysWithPrefix(const Frame& frame, std::string_view prefix) const {
  const GrammarObject& object = program_->objects[program_->nodes[frame.node].index];
  uint64_t count = 0;
  for (uint32_t id = frame.data; id != 0; id = keys_[id].previous) {
    ++work_;
    if (frame.phase == kRequiredKey && !object.entries[keys_[id].entry].required) continue;
    if (std::string_view(text).substr(keys_[id].begin, keys_[id].size).starts_with(prefix)) ++count;
  }
  return count;
}

const GrammarTerminal& GrammarStacks::TerminalOf(const GrammarThread& thread) const {
  const GrammarNode& node = program_->nodes[thread.node];
  if (node.kind != GrammarNode::Kind::kObject) return *program_->terminals[node.index];
  const GrammarObject& object = program_->objects[node.index];
  return frames_[thread.parent].phase == kRequiredKey ? *object.required_keys : *object.keys;
}

bool GrammarStacks::HasFiniteKeys(const GrammarThread& thread) const {
  const GrammarObject& object = program_->objects[program_->nodes[thread.node].index];
  const bool only_required = frames_[thread.parent].phase == kRequiredKey;
  return (only_required ? object.required_keys_words : object.keys_words)[thread.state] != kManyWords;
}

bool GrammarStacks::Accepts(const GrammarThread& thread) const {
  if (thread.node == kNoGrammarNode) return false;
  if (TerminalOf(thread).dfa.label[thread.state] == 0) return false;
  const GrammarNode& node = program_->nodes[thread.node];
  if (node.kind == GrammarNode::Kind::kObject) {
    return IsNewKey(frames_[thread.parent].data, std::string_view(text).substr(thread.count));
  }
  return node.kind != GrammarNode::Kind::kString || thread.count >= node.min;
}

// A key must not be the beginning of nothing but keys that the object has. Where a key has endlessly many
// continuations, some are new.
bool GrammarStacks::AdvanceKey(uint8_t byte, GrammarThread* thread) const {
  const GrammarObject& object = program_->objects[program_->nodes[thread->node].index];
  const Frame& frame = frames_[thread->parent];
  const bool only_required = frame.phase == kRequiredKey;
  const ByteDfa& dfa = only_required ? object.required_keys->dfa : object.keys->dfa;
  const uint32_t state = dfa.Next(thread->state, byte);
  if (state == ByteDfa::kDead) return false;
  const std::string_view so_far = std::string_view(text).substr(thread->count);
  const uint64_t words = (only_required ? object.required_keys_words : object.keys_words)[state];
  if (words != kManyWords && words <= NumKeysWithPrefix(frame, so_far)) return false;
  thread->state = state;
  return true;
}

// Not into a place from where the end is out of reach: the room must do for what the end needs, and an end
// that comes too early must still be avoidable.
bool GrammarStacks::AdvanceString(uint8_t byte, GrammarThread* thread) const {
  const GrammarNode& node = program_->nodes[thread->node];
  const GrammarTerminal& terminal = *program_->terminals[node.index];
  const uint32_t state = terminal.dfa.Next(thread->state, byte);
  if (state == ByteDfa::kDead) return false;
  const bool is_end = terminal.dfa.label[state] != 0;
  const bool counts = terminal.is_boundary[thread->state] && !is_end;
  const uint64_t count = uint64_t{thread->count} + (counts ? 1 : 0);
  const uint64_t needed = terminal.needed[state];
  if (count + needed > node.max) return false;
  if (count + needed < node.min && (is_end || count + terminal.needed_max > node.max)) return false;
  thread->count = static_cast<uint32_t>(count);
  thread->state = state;
  return true;
}

bool GrammarStacks::AdvanceThread(uint8_t byte, GrammarThread* thread) const {
  ++work_;
  if (thread->node == kNoGrammarNode) return false;
  const GrammarNode& node = program_->nodes[thread->node];
  if (node.kind == GrammarNode::Kind::kObject) return AdvanceKey(byte, thread);
  if (node.kind == GrammarNode::Kind::kString) return AdvanceString(byte, thread);
  const uint32_t state = program_->terminals[node.index]->dfa.Next(thread->state, byte);
  thread->state = state;
  return state != ByteDfa::kDead;
}

void GrammarStacks::Leave(const GrammarThread& thread) {
  if (program_->nodes[thread.node].kind == GrammarNode::Kind::kObject) {
    ResumeKey(thread);
  } else {
    Resume(thread.parent);
  }
}

void GrammarStacks::Close(GrammarThreads* threads) {
  out_ = threads;
  resumed_.clear();
  for (size_t i = 0; i < threads->size() && work_ < work_max_; ++i) {
    const GrammarThread thread = (*threads)[i];
    if (Accepts(thread)) Leave(thread);
  }
}

void GrammarStacks::AfterTerminal(const GrammarThread& thread, GrammarThreads* closed) {
  closed->clear();
  out_ = closed;
  resumed_.clear();
  Leave(thread);
  for (size_t i = 0; i < closed->size() && work_ < work_max_; ++i) {
    const GrammarThread next = (*closed)[i];
    if (Accepts(next)) Leave(next);
  }
}

// Of keys and counted strings only those that have not ended count: something follows each key, and a string
// ends with a byte of its own.
bool GrammarStacks::CanContinue(const GrammarThread& thread) const {
  if (program_->nodes[thread.node].kind != GrammarNode::Kind::kTerminal) return !Accepts(thread);
  const ByteDfa& dfa = TerminalOf(thread).dfa;
  const auto row = dfa.next.begin() + static_cast<ptrdiff_t>(size_t{thread.state} * dfa.num_classes);
  return std::any_of(row, row + dfa.num_classes, [](uint32_t next) { return next != ByteDfa::kDead; });
}

bool GrammarStacks::StringMayEnd(const GrammarThread& thread, uint32_t more) const {
  return uint64_t{thread.count} + more >= program_->nodes[thread.node].min;
}

bool GrammarStacks::StringIsTight(const GrammarThread& thread, uint32_t more) const {
  const GrammarNode& node = program_->nodes[thread.node];
  const uint32_t needed_max = program_->terminals[node.index]->needed_max;
  // With enough between the minimum and the maximum, whatever is short of the one is far from the other.
  if (needed_max == 0 || uint64_t{node.min} + needed_max <= uint64_t{node.max} + 1) return false;
  return thread.count < node.min && uint64_t{thread.count} + more + 1 + needed_max > node.max;
}

void GrammarStacks::Advance(const GrammarThreads& closed, uint8_t byte, GrammarThreads* next) {
  next->clear();
  out_ = next;
  for (GrammarThread thread : closed) {
    if (AdvanceThread(byte, &thread)) Emit(thread);
  }
}

}  // namespace mimo
