#pragma once
// The web page and what it needs beyond the API: the server's state and the simulated home.

#include <string_view>

#include "server/http_server.h"

namespace mimo {

// GET / and GET /page/NAME: the files of assets/page, a chat beside the simulated home and the operator's
// view. Complete in themselves; the browser is told to load nothing from anywhere else. 404 for other paths.
HttpReply HandlePage(std::string_view path);

// GET /home -> {"home": {...}}: a home to start with (assets/demo_home.json), in the form of home/home.h.
HttpReply HandleDemoHome();

// POST /home/prompt {"home", "speaker_area"?} -> {"system": text, "tools": [...]}: what a client of this home
// offers the model.
HttpReply HandleHomePrompt(const HttpRequest& request);

// POST /home/call {"home", "speaker_area"?, "name", "arguments"} -> {"home", "ok", "text"}: what the call
// does to that home. The server keeps no home: the page sends it along and takes the changed one.
HttpReply HandleHomeCall(const HttpRequest& request);

}  // namespace mimo
