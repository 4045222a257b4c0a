#include "server/tokenize_route.h"

#include "server/json_fields.h"
#include "text/chat_message.h"
#include "text/encode_prompt.h"

namespace mimo {
namespace {

ApiResult<std::vector<TokenId>> TokensOfText(JsonFields& fields, const ServedModel& model) {
  const std::optional<std::string> content = fields.String("content");
  const std::optional<std::string> prompt = fields.String("prompt");
  const bool parse_special = fields.Bool("parse_special").value_or(true);
  if (!content && !prompt) fields.Fail("content", "(or 'prompt', or 'messages') is missing");
  if (fields.error()) return tl::unexpected(*fields.error());
  return model.tokenizer->Encode(content ? *content : *prompt,
                                 parse_special ? AddedTokens::kParse : AddedTokens::kPlainText);
}

ApiResult<std::vector<TokenId>> TokensOfMessages(const Json& body, const ServedModel& model) {
  Result<ChatRequest> chat = ParseChatRequest(body);
  if (!chat) return tl::unexpected(WithParamFromMessage(ToApiError(chat.error())));
  const auto prompt_end = body.find("add_generation_prompt");
  if (prompt_end != body.end() && prompt_end->is_boolean())
    chat->add_generation_prompt = prompt_end->get<bool>();
  const Result<RenderedPrompt> prompt = model.chat_template.RenderPrompt(*chat);
  if (!prompt) return tl::unexpected(WithParamFromMessage(ToApiError(prompt.error())));
  return EncodePrompt(*model.tokenizer, *prompt);
}

// {"id", "piece"}; a piece that is not whole characters is an array of its bytes, as llama.cpp writes it.
Json PieceJson(TokenId token, const Tokenizer& tokenizer) {
  const std::string bytes(tokenizer.TokenBytes(token));
  Json piece = bytes;
  // A dump replaces what is not UTF-8, so text that survives it was UTF-8.
  const Result<Json> parsed = ParseJson(DumpJson(piece));
  if (!parsed || parsed->get<std::string>() != bytes) {
    piece = Json::array();
    for (const char byte : bytes) piece.push_back(static_cast<uint8_t>(byte));
  }
  return Json{{"id", token}, {"piece", std::move(piece)}};
}

}  // namespace

HttpReply HandleTokenize(const HttpRequest& request, const ServedModel& model) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  JsonFields fields(*body);
  const bool with_pieces = fields.Bool("with_pieces").value_or(false);
  const auto tokens =
      fields.Any("messages") != nullptr ? TokensOfMessages(*body, model) : TokensOfText(fields, model);
  if (!tokens) return ErrorReply(tokens.error());
  if (fields.error()) return ErrorReply(*fields.error());
  Json list = Json::array();
  for (const TokenId token : *tokens)
    list.push_back(with_pieces ? PieceJson(token, *model.tokenizer) : Json(token));
  HttpReply reply;
  reply.body = DumpJson(Json{{"tokens", std::move(list)},
                             {"count", tokens->size()},
                             {"max_model_len", model.engine->context_max()}});
  return reply;
}

HttpReply HandleDetokenize(const HttpRequest& request, const ServedModel& model) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  JsonFields fields(*body);
  const Json* list = fields.Array("tokens");
  if (list == nullptr) fields.Fail("tokens", "is missing");
  std::vector<TokenId> tokens;
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const Json& token = (*list)[i];
    if (!token.is_number_unsigned() || token.get<uint64_t>() >= model.tokenizer->vocab_size()) {
      fields.Fail("tokens",
                  fmt::format("must be an array of token ids below {}", model.tokenizer->vocab_size()));
      break;
    }
    tokens.push_back(token.get<TokenId>());
  }
  if (fields.error()) return ErrorReply(*fields.error());
  const std::string text = model.tokenizer->Decode(tokens);
  HttpReply reply;
  reply.body = DumpJson(Json{{"content", text}, {"prompt", text}});
  return reply;
}

}  // namespace mimo
