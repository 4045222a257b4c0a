#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "text/chat_template_values.h"

namespace mimo {
namespace {

ChatRequest Request(std::string_view text) { return ParseChatRequest(ParseJson(text).value()).value(); }

std::string Prompt(ChatTemplateKind kind, std::string_view text) {
  return ChatTemplate(kind).Render(Request(text)).value();
}

// Renders every case of a file made by tests/golden/chat_template/make_golden.py.
void ExpectMatchesReference(ChatTemplateKind kind, const std::string& name, size_t num_cases_min) {
  std::ifstream file(MIMO_SOURCE_DIR "/tests/golden/chat_template/" + name);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const Result<Json> golden = ParseJson(text);
  ASSERT_TRUE(golden) << name;
  ASSERT_GE((*golden)["cases"].size(), num_cases_min);
  for (const Json& entry : (*golden)["cases"]) {
    const Result<ChatRequest> request = ParseChatRequest(entry["request"]);
    ASSERT_TRUE(request) << entry["name"];
    EXPECT_EQ(ChatTemplate(kind).Render(*request).value(), entry["prompt"].get<std::string>())
        << entry["name"];
  }
}

TEST(ChatTemplate, MatchesThePublishedTemplateOfV26) {
  ExpectMatchesReference(ChatTemplateKind::kMimoV26, "mimo_v2_6.json", 25);
}
TEST(ChatTemplate, MatchesTheTranscribedTemplateOfV25) {
  ExpectMatchesReference(ChatTemplateKind::kMimoV25, "mimo_v2_5.json", 24);
}
TEST(ChatTemplate, MatchesThePublishedTemplateOfMimoVl7B) {
  ExpectMatchesReference(ChatTemplateKind::kMimo7B, "mimo_7b.json", 23);
}

TEST(ChatTemplate, V2FlashDiffersFromV25OnlyInItsDefaultOfThinking) {
  const char* request = R"({"messages": [{"role": "user", "content": "Hello"}]})";
  const char* thinking = R"({"messages": [{"role": "user", "content": "Hello"}], "enable_thinking": true})";
  // The published check vector of token ids spells exactly this text.
  EXPECT_EQ(Prompt(ChatTemplateKind::kMimoV2Flash, request),
            "<|im_start|>system\nYou are MiMo, a helpful AI assistant engineered by Xiaomi.<|im_end|>"
            "<|im_start|>user\nHello<|im_end|><|im_start|>assistant\n<think></think>");
  EXPECT_EQ(Prompt(ChatTemplateKind::kMimoV2Flash, thinking), Prompt(ChatTemplateKind::kMimoV25, request));
}

TEST(ChatTemplate, WritesDeveloperAsSystem) {
  const auto prompt = [](ChatTemplateKind kind, std::string_view role) {
    return Prompt(kind, fmt::format(R"({{"messages": [{{"role": "{0}", "content": "A"}},
        {{"role": "user", "content": "x"}}, {{"role": "{0}", "content": "B"}}]}})",
                                    role));
  };
  for (const auto kind :
       {ChatTemplateKind::kMimo7B, ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
    EXPECT_EQ(prompt(kind, "developer"), prompt(kind, "system"));
  }
}

TEST(ChatTemplate, RefusesARequestWithoutMessages) {
  EXPECT_EQ(ChatTemplate(ChatTemplateKind::kMimoV26).Render({}).error().code, ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, MarksControlTokensThatMessagesSpell) {
  const RenderedPrompt prompt =
      ChatTemplate(ChatTemplateKind::kMimoV26)
          .RenderPrompt(Request(R"({"messages": [{"role": "user", "content": "a<|im_end|>b<think><|im_sta|>"},
              {"role": "tool", "content": "<|endoftext|>"}]})"))
          .value();
  ASSERT_EQ(prompt.plain_text_ranges.size(), 2u);
  const auto spelled = [&](size_t i) {
    const TextRange range = prompt.plain_text_ranges[i];
    return prompt.text.substr(range.begin, range.end - range.begin);
  };
  EXPECT_EQ(prompt.plain_text_ranges[0].begin, prompt.text.find("<|im_end|>b"));
  EXPECT_EQ(spelled(0), "<|im_end|>");
  EXPECT_EQ(spelled(1), "<|endoftext|>");
}

TEST(ChatTemplate, MarksAControlTokenThatANameAndTheTemplateSpellTogether) {
  const RenderedPrompt prompt =
      ChatTemplate(ChatTemplateKind::kMimoV26)
          .RenderPrompt(Request(R"({"messages": [{"role": "assistant", "tool_calls": [
              {"function": {"name": "f<|im_end|", "arguments": {}}}]}]})"))
          .value();
  ASSERT_EQ(prompt.plain_text_ranges.size(), 1u);
  EXPECT_EQ(prompt.plain_text_ranges[0].begin, prompt.text.find("<|im_end|></function>"));
}

TEST(ChatTemplate, MarksNothingInAnOrdinaryConversation) {
  for (const auto kind :
       {ChatTemplateKind::kMimo7B, ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
    EXPECT_TRUE(ChatTemplate(kind)
                    .RenderPrompt(Request(R"({"messages": [{"role": "user", "content": "a < b | c > d"},
                        {"role": "assistant", "content": "</think>", "reasoning_content": "<tool_call>"}]})"))
                    ->plain_text_ranges.empty());
  }
}

TEST(ChatTemplate, RecognizesTheTemplatesByTheirMarks) {
  const auto kind = [](std::string_view text) { return ChatTemplate::Recognize(text)->kind(); };
  EXPECT_EQ(kind(""), ChatTemplateKind::kMimoV26);
  EXPECT_EQ(kind(" \n"), ChatTemplateKind::kMimoV26);
  EXPECT_EQ(
      kind("{{- 'You are  provided with the following tools:\\n' -}} {{- '<tool_call><function=' ~ x }}"),
      ChatTemplateKind::kMimoV26);
  const std::string v2 = "MiMo, a helpful AI assistant engineered by Xiaomi. <parameter=";
  EXPECT_EQ(kind("{%- set enable_thinking = true -%}" + v2), ChatTemplateKind::kMimoV25);
  EXPECT_EQ(kind("{%- set  enable_thinking=false -%}\n" + v2), ChatTemplateKind::kMimoV2Flash);
  EXPECT_EQ(kind("<|im_start|>system\nYou are MiMo, an AI assistant developed by Xiaomi.<|im_end|>"),
            ChatTemplateKind::kMimo7B);
}

TEST(ChatTemplate, TakesQwen2sPlainTemplateForNone) {
  const std::string plain =
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
      "'<|im_start|>system"
      "\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
      "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}";
  EXPECT_EQ(ChatTemplate::Recognize(plain)->kind(), ChatTemplateKind::kMimoV26);
}

TEST(ChatTemplate, RefusesTheTemplateOfAnotherModel) {
  const auto llama = ChatTemplate::Recognize("{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}");
  ASSERT_FALSE(llama);
  EXPECT_EQ(llama.error().code, ErrorCode::kUnimplemented);
  EXPECT_NE(llama.error().message.find("MiMo-V2.6"), std::string::npos);
  EXPECT_FALSE(ChatTemplate::Recognize(
      "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud.<|im_end|><tools></tools>"));
}

TEST(ChatTemplate, FollowsTheDefaultsThatTheTemplateTextSets) {
  const ChatTemplate changed =
      ChatTemplate::Recognize(
          "{%- set enable_thinking = true -%}{%- set keep_all_reasoning = false -%} engineered by Xiaomi. "
          "<parameter= {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if not "
          "enable_thinking "
          "-%}{{- '<think></think>' -}}{%- else -%}{{- '<think>' -}}{%- endif -%}{%- endif %}")
          .value();
  ChatRequest request = Request(R"({"messages": [{"role": "assistant", "content": "a", "reasoning": "old"},
      {"role": "user", "content": "x"}]})");
  EXPECT_TRUE(changed.StartsInReasoning(request));
  const std::string prompt = changed.Render(request).value();
  EXPECT_EQ(prompt.find("old"), std::string::npos);
  EXPECT_TRUE(prompt.ends_with("<|im_start|>assistant\n<think>"));
  request.enable_thinking = false;
  EXPECT_FALSE(changed.StartsInReasoning(request));
}

TEST(ChatTemplate, LeavesTheOpeningTagToTheModelAsPublished) {
  const ChatRequest request = Request(R"({"messages": [{"role": "user", "content": "x"}]})");
  EXPECT_FALSE(ChatTemplate(ChatTemplateKind::kMimoV26).StartsInReasoning(request));
  EXPECT_TRUE(ChatTemplate(ChatTemplateKind::kMimoV26).thinking_default());
  EXPECT_FALSE(ChatTemplate(ChatTemplateKind::kMimoV2Flash).thinking_default());
}

TEST(PythonStrip, RemovesUnicodeWhiteSpaceFromBothEnds) {
  EXPECT_EQ(PythonStrip(" \t\xc2\xa0 a b\xe3\x80\x80\n"), "a b");
  EXPECT_EQ(PythonStrip(" \xe2\x80\xa8 "), "");
}

TEST(PythonStr, QuotesAsPythonDoes) {
  EXPECT_EQ(PythonStr(Json::array({"a'b", "c\"'", "\n\\", nullptr, true, 1.0})),
            R"(["a'b", 'c"\'', '\n\\', None, True, 1.0])");
}

}  // namespace
}  // namespace mimo
