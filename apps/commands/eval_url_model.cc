#include <httplib.h>

#include <string>

#include "apps/commands/eval_chat_json.h"
#include "apps/commands/eval_model.h"
#include "apps/commands/interrupt.h"

namespace mimo {
namespace {

constexpr time_t kConnectSeconds = 10;
constexpr time_t kAnswerSeconds = 600;  // a slow machine with 16 requests at once
constexpr size_t kErrorTextMax = 200;

class UrlModel final : public EvalModel {
 public:
  UrlModel(std::string host, std::string path, UrlModelOptions options)
      : host_(std::move(host)), path_(std::move(path)), options_(std::move(options)) {}

  Result<EvalReply> Answer(const ChatRequest& request) override {
    if (Interrupted()) return MakeError(ErrorCode::kCancelled, "interrupted: nothing is reported");
    // A client of its own for each request: httplib's is for one thread.
    httplib::Client client(host_);
    client.set_connection_timeout(kConnectSeconds);
    client.set_read_timeout(kAnswerSeconds);
    if (!options_.api_key.empty()) client.set_bearer_token_auth(options_.api_key);
    const std::string body = DumpJson(ChatRequestJson(request, options_.model, kEvalTokensMax));
    const httplib::Result response = client.Post(path_, body, "application/json");
    if (!response) {
      return Unavailable("no answer: {} ({}{}): see that the server runs",
                         httplib::to_string(response.error()), host_, path_);
    }
    if (response->status != 200) {
      return Unavailable("status {} ({}{}): {}", response->status, host_, path_,
                         response->body.substr(0, kErrorTextMax));
    }
    Result<EvalReply> reply = ParseChatReply(response->body);
    if (!reply) return DataLoss("{} ({}{})", reply.error().message, host_, path_);
    return reply;
  }

 private:
  const std::string host_;  // "http://host:port"
  const std::string path_;
  const UrlModelOptions options_;
};

}  // namespace

Result<std::unique_ptr<EvalModel>> OpenUrlModel(const UrlModelOptions& options) {
  const std::string scheme = "http://";
  if (options.url.starts_with("https://")) {
    return Unimplemented("https is not implemented in this version ({}): use http", options.url);
  }
  if (!options.url.starts_with(scheme) || options.url.size() == scheme.size()) {
    return InvalidArgument("'{}' is no address (--url): write http://host:port", options.url);
  }
  const size_t slash = options.url.find('/', scheme.size());
  std::string path = slash == std::string::npos ? "" : options.url.substr(slash);
  while (path.ends_with('/')) path.pop_back();
  if (path.empty()) path = "/v1";
  if (!path.ends_with("/chat/completions")) path += "/chat/completions";
  return std::make_unique<UrlModel>(options.url.substr(0, slash), std::move(path), options);
}

}  // namespace mimo
