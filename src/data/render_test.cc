#include "data/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/chat_template_asset.h"
#include "data/conversation_testutil.h"
#include "data/generator.h"
#include "text/builtin_vocabulary.h"
#include "text/encode_prompt.h"
#include "text/output_parser.h"
#include "text/sampled_turns.h"

namespace mimo {
namespace {

const ChatTemplate kTemplate(ChatTemplateKind::kMimoV26);

RenderedConversation Render(const Conversation& conversation, const Tokenizer& tokenizer) {
  Result<RenderedConversation> rendered = RenderConversation(conversation, kTemplate, tokenizer);
  MIMO_CHECK(rendered);
  return *std::move(rendered);
}

// The text of each run of targets.
std::vector<std::string> Targets(const RenderedConversation& rendered, const Tokenizer& tokenizer) {
  std::vector<std::string> targets;
  for (size_t i = 0; i < rendered.tokens.size(); ++i) {
    if (rendered.is_target[i] == 0) continue;
    if (i == 0 || rendered.is_target[i - 1] == 0) targets.emplace_back();
    targets.back() += tokenizer.TokenBytes(rendered.tokens[i]);
  }
  return targets;
}

TEST(RenderConversation, MarksCallsAndRepliesWithTheEndsOfTheirTurns) {
  const RenderedConversation rendered = Render(SmallConversation(), SmallTokenizer());
  EXPECT_THAT(
      Targets(rendered, SmallTokenizer()),
      testing::ElementsAre(
          "<tool_call><function=HassTurnOn><parameter=name>Ceiling</parameter><parameter=domain>light"
          "</parameter></function></tool_call><|im_end|>",
          "The ceiling light is on.<|im_end|>",
          "<tool_call><function=HassTurnOff><parameter=area>客厅</parameter><parameter=domain>cover"
          "</parameter><parameter=device_class>curtain</parameter></function></tool_call>"
          "<tool_call><function=HassLightSet><parameter=area>Kitchen</parameter><parameter=brightness>30"
          "</parameter></function></tool_call><|im_end|>",
          "好了。<|im_end|>", "I'd rather not.<|im_end|>",
          "<tool_call><function=HassGetCurrentTime></function></tool_call><|im_end|>",
          "Five past two.<|im_end|>"));
}

TEST(RenderConversation, IsTheTextThatTheTemplateGives) {
  ChatRequest request = ConversationRequest(SmallConversation(), 4);
  request.add_generation_prompt = false;
  const RenderedConversation rendered = Render(SmallConversation(), SmallTokenizer());
  EXPECT_EQ(SmallTokenizer().Decode(rendered.tokens), *kTemplate.Render(request));
}

// What a server is asked for each answer must be the very tokens that stand before it in training.
void ExpectPromptsArePrefixes(const Conversation& conversation, const Tokenizer& tokenizer) {
  const RenderedConversation rendered = Render(conversation, tokenizer);
  const ChatRequest whole = ConversationRequest(conversation, conversation.turns.size());
  size_t num_answers = 0;
  for (size_t i = 0; i < whole.messages.size(); ++i) {
    if (whole.messages[i].role != "assistant") continue;
    ++num_answers;
    ChatRequest request = whole;
    request.messages.resize(i);
    const Result<RenderedPrompt> prompt = kTemplate.RenderPrompt(request);
    ASSERT_TRUE(prompt);
    const std::vector<TokenId> tokens = EncodePrompt(tokenizer, *prompt);
    ASSERT_LT(tokens.size(), rendered.tokens.size());
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), rendered.tokens.begin())) << "message " << i;
    SampledTurns sampled(1 << 20);  // as a server does; it has none yet
    EXPECT_EQ(EncodePrompt(tokenizer, *prompt, &sampled), tokens) << "message " << i;
    EXPECT_EQ(rendered.is_target[tokens.size() - 1], 0) << "message " << i;
    EXPECT_EQ(rendered.is_target[tokens.size()], 1) << "message " << i;
  }
  EXPECT_EQ(Targets(rendered, tokenizer).size(), num_answers);
}

TEST(RenderConversation, HasThePromptOfEachAnswerAsAPrefix) {
  ExpectPromptsArePrefixes(SmallConversation(), SmallTokenizer());
}

TEST(RenderConversation, HasPromptsAsPrefixesWithThePublishedVocabularyToo) {
  Result<TokenizerData> data = BuiltinMimoVocabulary();
  ASSERT_TRUE(data);
  const Result<Tokenizer> tokenizer = Tokenizer::Create(*std::move(data));
  ASSERT_TRUE(tokenizer);
  ExpectPromptsArePrefixes(SmallConversation(), *tokenizer);
}

TEST(RenderConversation, HasPromptsAsPrefixesInGeneratedConversations) {
  Result<ConversationGenerator> generator =
      ConversationGenerator::Create({.seed = 3, .languages = {{"en", 0.5}, {"zh", 0.5}}});
  ASSERT_TRUE(generator) << generator.error().message;
  for (int i = 0; i < 30; ++i) ExpectPromptsArePrefixes(generator->Next(), SmallTokenizer());
}

TEST(RenderConversation, WritesCallsThatTheServerReadsBack) {
  Conversation conversation = SmallConversation();
  const RenderedConversation rendered = Render(conversation, SmallTokenizer());
  const std::vector<std::string> targets = Targets(rendered, SmallTokenizer());
  const ParsedOutput reply = ParseOutput(targets[2].substr(0, targets[2].rfind("<|im_end|>")),
                                         {.parse_tool_calls = true, .tools = conversation.tools});
  ASSERT_EQ(reply.tool_calls.size(), 2u);
  EXPECT_EQ(reply.tool_calls[1].name, conversation.turns[1].calls[1].name);
  EXPECT_EQ(reply.tool_calls[1].arguments, conversation.turns[1].calls[1].arguments);
}

TEST(RenderConversation, RefusesATokenizerThatCannotEndAnAnswer) {
  TokenizerData data = SmallTokenizerData();
  std::erase_if(data.added_tokens, [](const auto& token) { return token.content == "<|im_end|>"; });
  const Result<Tokenizer> tokenizer = Tokenizer::Create(data);
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE(RenderConversation(SmallConversation(), kTemplate, *tokenizer));
}

TEST(ConversationRequest, HoldsTheFirstTurnsAlone) {
  const ChatRequest request = ConversationRequest(SmallConversation(), 1);
  ASSERT_EQ(request.messages.size(), 5u);
  EXPECT_EQ(request.messages[0].role, "system");
  EXPECT_EQ(request.messages[3].role, "tool");
  EXPECT_EQ(request.messages[3].tool_call_id, request.messages[2].tool_calls[0].id);
  EXPECT_EQ(request.messages[4].content, "The ceiling light is on.");
  EXPECT_EQ(request.enable_thinking, false);
  EXPECT_TRUE(request.add_generation_prompt);
  EXPECT_EQ(ConversationRequest(SmallConversation(), 0).messages.size(), 1u);
}

TEST(HomeChatTemplate, IsRecognisedAsTheFormatOfTheTrainingTexts) {
  const Result<ChatTemplate> recognized = ChatTemplate::Recognize(HomeChatTemplate());
  ASSERT_TRUE(recognized);
  EXPECT_EQ(recognized->kind(), kTemplate.kind());
  EXPECT_FALSE(recognized->thinking_default());
}

}  // namespace
}  // namespace mimo
