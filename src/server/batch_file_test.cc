#include "server/batch_file.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

BatchLine LineOf(std::string_view text) {
  const auto lines = ParseBatchFile(text);
  EXPECT_TRUE(lines.has_value());
  EXPECT_EQ(lines->size(), 1U);
  return lines->front();
}

std::string CodeOf(std::string_view text) {
  const auto request = ParseBatchRequest(LineOf(text));
  return request ? "" : request.error().reason;
}

TEST(BatchFile, BlankLinesAreNoRequestsButCount) {
  const auto lines = ParseBatchFile("{\"custom_id\":\"a\"}\r\n\n  \nnonsense\n{\"custom_id\":7}");

  ASSERT_TRUE(lines.has_value());
  ASSERT_EQ(lines->size(), 3U);
  EXPECT_EQ((*lines)[0].custom_id, "a");
  EXPECT_EQ((*lines)[1].number, 4U);
  EXPECT_EQ((*lines)[1].custom_id, std::nullopt);
  EXPECT_EQ((*lines)[2].number, 5U);
  EXPECT_EQ((*lines)[2].custom_id, std::nullopt);
}

TEST(BatchFile, TwoLinesWithOneIdAreRefused) {
  const auto lines = ParseBatchFile("{\"custom_id\":\"a\"}\n{\"custom_id\":\"b\"}\n{\"custom_id\":\"a\"}\n");

  ASSERT_FALSE(lines.has_value());
  EXPECT_EQ(lines.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(lines.error().message, "lines 1 and 3 have the same custom_id 'a'");
}

TEST(BatchFile, ARequestIsARouteAndABody) {
  const BatchLine line = LineOf(
      R"({"custom_id":"a","method":"POST","url":"/v1/responses","body":{"input":"hi","stream":false}})");
  const auto request = ParseBatchRequest(line);

  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->route, ApiRoute::kResponses);
  EXPECT_EQ(request->body, R"({"input":"hi","stream":false})");
  const BatchLine whole_address =
      LineOf(R"({"custom_id":"a","url":"https://api.openai.com/v1/completions","body":{}})");
  EXPECT_EQ(ParseBatchRequest(whole_address).value().route, ApiRoute::kCompletions);
}

TEST(BatchFile, ABadLineSaysWhatIsWrong) {
  EXPECT_EQ(CodeOf("{\"custom_id\":"), "invalid_json_line");
  EXPECT_EQ(CodeOf("[]"), "invalid_json_line");
  EXPECT_EQ(CodeOf(R"({"url":"/v1/completions","body":{}})"), "invalid_request");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","method":"GET","url":"/v1/completions","body":{}})"),
            "invalid_method");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":"/v1/models","body":{}})"), "invalid_url");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":"/v1/embeddings","body":{}})"), "invalid_url");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":7,"body":{}})"), "invalid_request");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":"/v1/completions","body":"hi"})"), "invalid_request");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":"/v1/completions"})"), "invalid_request");
  EXPECT_EQ(CodeOf(R"({"custom_id":"a","url":"/v1/completions","body":{"stream":true}})"), "invalid_request");
}

TEST(BatchFile, AResultHoldsTheReplyAndKnowsItsRequest) {
  const BatchLine line = LineOf("{\"custom_id\":\"a\"}");
  HttpReply reply;
  reply.status = 404;
  reply.body = R"({"error":{"message":"no\nmodel"}})";

  const std::string text = BatchResultLine(line, "req_1", reply);

  EXPECT_EQ(text.find('\n'), text.size() - 1);
  const Json result = ParseJson(text).value();
  EXPECT_TRUE(result["id"].get<std::string>().starts_with("batch_req_"));
  EXPECT_EQ(result["response"]["status_code"], 404);
  EXPECT_EQ(result["response"]["request_id"], "req_1");
  EXPECT_EQ(result["response"]["body"]["error"]["message"], "no\nmodel");
  EXPECT_TRUE(result["error"].is_null());
  EXPECT_EQ(ParseBatchResult(text).value().custom_id, "a");
}

TEST(BatchFile, TheResultOfALineWithoutIdKnowsItsNumber) {
  const BatchLine line{.number = 7, .text = "nonsense", .custom_id = std::nullopt};

  const std::string text = BatchResultLine(line, ParseBatchRequest(line).error());

  const Json result = ParseJson(text).value();
  EXPECT_TRUE(result["custom_id"].is_null());
  EXPECT_TRUE(result["response"].is_null());
  EXPECT_EQ(result["error"]["code"], "invalid_json_line");
  const BatchResultKey key = ParseBatchResult(text).value();
  EXPECT_EQ(key.custom_id, std::nullopt);
  EXPECT_EQ(key.line_number, 7U);
}

TEST(BatchFile, ARequestIsNoResult) {
  EXPECT_EQ(ParseBatchResult(R"({"custom_id":"a","url":"/v1/completions","body":{}})").error().code,
            ErrorCode::kDataLoss);
  EXPECT_FALSE(ParseBatchResult(R"({"custom_id":null,"response":null,"error":null})"));
}

}  // namespace
}  // namespace mimo
