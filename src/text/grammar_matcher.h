#pragma once
// Internal to grammars: the stacks of a GrammarMatcher.
//
// A text may stand at several places of a grammar at once; each is a thread: a terminal with its state, and a
// stack of frames below it. Frames are shared between threads and interned, so equal stacks have equal ids
// and alternatives that meet become one. Nothing of it is freed while a text grows; what a mask only tried is
// (Mark, Restore).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar.h"
#include "text/grammar_program.h"

namespace mimo {

struct GrammarThread {
  uint32_t parent = 0;                  // frame
  GrammarNodeId node = kNoGrammarNode;  // kTerminal, kString, kObject (its key), or kNoGrammarNode: the end
  uint32_t state = 0;                   // of the terminal
  uint32_t count = 0;                   // kString: code points; kObject: where in the text the key begins

  bool operator==(const GrammarThread&) const = default;
};
using GrammarThreads = std::vector<GrammarThread>;

class GrammarStacks {
 public:
  explicit GrammarStacks(const GrammarProgram* program);

  GrammarThreads Start();
  // Adds where `threads` stand when the terminals that may end have ended.
  void Close(GrammarThreads* threads);
  // The threads after one more byte, which is the last of `text`. `closed` went through Close.
  void Advance(const GrammarThreads& closed, uint8_t byte, GrammarThreads* next);
  // Where a thread's text goes on after its terminal, closed. Requires: Accepts(thread).
  void AfterTerminal(const GrammarThread& thread, GrammarThreads* closed);
  bool Accepts(const GrammarThread& thread) const;
  // True if some byte can follow within the terminal.
  bool CanContinue(const GrammarThread& thread) const;
  // True if the thread takes the byte, and then it has moved.
  bool AdvanceThread(uint8_t byte, GrammarThread* thread) const;

  // Requires: a kString. True if it may end `more` code points from here.
  bool StringMayEnd(const GrammarThread& thread, uint32_t more) const;
  // Requires: a kString. True if one of the next `more` code points may have to be avoided for the minimum's
  // sake.
  bool StringIsTight(const GrammarThread& thread, uint32_t more) const;

  const GrammarProgram& program() const { return *program_; }
  const GrammarTerminal& TerminalOf(const GrammarThread& thread) const;
  // A key whose tokens the automaton alone cannot judge, because the keys left are finite.
  bool HasFiniteKeys(const GrammarThread& thread) const;

  struct Mark {
    size_t num_frames;
    size_t num_keys;
    size_t text_size;
  };
  Mark MakeMark() const { return {frames_.size(), keys_.size(), text.size()}; }
  void Restore(const Mark& mark);

  bool overflowed() const { return overflowed_; }
  uint64_t work() const { return work_; }
  void AddWork(uint64_t work) { work_ += work; }
  void ResetWork() { work_ = 0, overflowed_ = false; }
  void LimitWork(uint64_t work_max) { work_max_ = work_max; }

  // The whole text so far: keys are ranges of it.
  std::string text;

 private:
  struct Frame {
    uint32_t parent = 0;
    GrammarNodeId node = kNoGrammarNode;
    uint32_t phase = 0;  // kSequence: the next child; kRepeat: times; kObject, kArray: Phase
    uint32_t data = 0;   // kObject: the last of its keys; kArray: items so far
    uint32_t depth = 0;
    uint32_t next_in_bucket = 0;
  };
  // The keys an object has, newest first.
  struct Key {
    uint32_t previous = 0;
    uint32_t entry = 0;
    uint32_t begin = 0;
    uint32_t size = 0;
    uint32_t count = 0;  // with those before
    uint32_t required_count = 0;
    uint32_t next_in_bucket = 0;
  };

  void Enter(GrammarNodeId node, uint32_t parent);
  void EnterSequence(GrammarNodeId node, uint32_t next, uint32_t parent);
  void EnterRepeat(GrammarNodeId node, uint32_t times, uint32_t parent);
  void ContinueObject(const Frame& frame);
  void EnterKey(const Frame& frame);
  void ContinueArray(const Frame& frame);
  void Resume(uint32_t frame_id);
  void ResumeKey(const GrammarThread& thread);
  void Leave(const GrammarThread& thread);
  void Emit(const GrammarThread& thread);

  uint32_t Push(uint32_t parent, GrammarNodeId node, uint32_t phase, uint32_t data);
  uint32_t AddKey(uint32_t previous, uint32_t entry, bool required, std::string_view key_text);
  bool IsNewKey(uint32_t last, std::string_view key_text) const;
  // Of the object's keys, or of the required ones among them.
  uint64_t NumKeysWithPrefix(const Frame& frame, std::string_view prefix) const;
  bool AdvanceKey(uint8_t byte, GrammarThread* thread) const;
  bool AdvanceString(uint8_t byte, GrammarThread* thread) const;

  const GrammarProgram* program_;
  std::vector<Frame> frames_;  // [0]: the bottom
  std::vector<Key> keys_;      // [0]: none
  std::vector<uint32_t> frame_buckets_;
  std::vector<uint32_t> key_buckets_;
  GrammarThreads* out_ = nullptr;  // of the running Close or Start
  std::vector<uint32_t> resumed_;  // frames whose continuation is in *out_ already
  bool overflowed_ = false;
  mutable uint64_t work_ = 0;
  uint64_t work_max_ = UINT64_MAX;
};

}  // namespace mimo
