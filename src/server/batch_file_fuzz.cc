// Any bytes as a batch: every line has a result, on one line, by which a later run knows the line again. The
// same bytes as results: what is accepted names a line.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "server/batch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto key = ParseBatchResult(text)) MIMO_CHECK(!key->custom_id || !key->custom_id->empty());
  const auto lines = ParseBatchFile(text);
  if (!lines) return 0;
  for (const BatchLine& line : *lines) {
    const auto request = ParseBatchRequest(line);
    HttpReply reply;
    reply.body = request ? request->body : "";
    const std::string result =
        request ? BatchResultLine(line, "req", reply) : BatchResultLine(line, request.error());
    MIMO_CHECK(result.find('\n') == result.size() - 1);
    const auto key = ParseBatchResult(result);
    MIMO_CHECK(key && key->custom_id == line.custom_id);
    MIMO_CHECK(key->custom_id || key->line_number == line.number);
  }
  return 0;
}
