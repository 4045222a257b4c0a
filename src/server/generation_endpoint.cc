#include "server/generation_endpoint.h"

#include "server/chat_route.h"
#include "server/completions_route.h"
#include "server/messages_route.h"
#include "server/responses_route.h"

namespace mimo {

HttpReply HandleGeneration(ApiRoute route, const GenerationRoute& generation, ResponsesStore& responses) {
  switch (route) {
    case ApiRoute::kCompletions:
      return HandleTextCompletion(generation);
    case ApiRoute::kMessages:
      return HandleMessages(generation);
    case ApiRoute::kResponses:
      return HandleResponses(generation, responses);
    default:
      return HandleChatCompletion(generation);
  }
}

}  // namespace mimo
