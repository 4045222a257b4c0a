#pragma once
// GET /v1/usage: what was used, by key, model and day.

#include "server/http_server.h"
#include "server/request_meter.h"

namespace mimo {

// ?key= &model= &from=2026-11-01 &to=2026-11-30 &group_by=key,model,day (any of them; default: all three).
// A key sees itself, an admin key everybody.
HttpReply HandleUsage(const HttpRequest& request, const ApiKey& caller, Accounts& accounts);

// The list in its reply, by key alone.
Json UsageByKeyJson(const std::vector<UsageRow>& rows);

}  // namespace mimo
