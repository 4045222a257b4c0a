// Any bytes as a trace: what is accepted refers only to earlier turns, and its numbers can be summed.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "server/agent_trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const auto trace = ParseAgentTrace({reinterpret_cast<const char*>(data), size});
  if (!trace) return 0;
  MIMO_CHECK(!trace->turns.empty());
  for (size_t i = 0; i < trace->turns.size(); ++i) {
    const TraceTurn& turn = trace->turns[i];
    MIMO_CHECK(!turn.after || *turn.after < i);
    MIMO_CHECK(!turn.keep || turn.after);
    if (turn.recorded) MIMO_CHECK(turn.recorded->cached <= turn.recorded->prompt);
    if (const auto* messages = std::get_if<TraceMessages>(&turn.content)) {
      MIMO_CHECK(!messages->request.messages.empty());
    }
  }
  return 0;
}
