#include "server/price_card.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

PriceCard ParseOrDie(std::string_view text) {
  const Result<Json> json = ParseJson(text);
  EXPECT_TRUE(json.has_value());
  Result<PriceCard> card = PriceCard::Parse(*json);
  EXPECT_TRUE(card.has_value()) << (card ? "" : card.error().message);
  return card ? *card : PriceCard();
}

std::string PriceCardError(std::string_view text) {
  const Result<PriceCard> card = PriceCard::Parse(*ParseJson(text));
  return card ? "" : card.error().message;
}

TEST(PriceCard, FindsTheAliasBeforeTheModelAndTheStarLast) {
  const PriceCard card = ParseOrDie(R"({"currency":"USD","models":{
      "fast":{"cached_input":0.01,"input":1,"output":2},
      "XiaomiMiMo/MiMo-V2-Flash":{"input":3,"output":4},
      "*":{"currency":"EUR","input":5,"output":6}}})");

  EXPECT_EQ(card.Find("fast", "mimo-v2-flash")->input, 1'000'000U);
  EXPECT_EQ(card.Find("fast", "mimo-v2-flash")->cached_input, 10'000U);
  EXPECT_EQ(card.Find("other", "MiMo-V2-Flash[1m]")->output, 4'000'000U);
  EXPECT_EQ(card.Find("other", "mimo-v2-flash")->cached_input, 3'000'000U);  // as uncached when not given
  EXPECT_EQ(card.Find("other", "another")->currency, "EUR");
}

TEST(PriceCard, UnknownModelHasNoPrice) {
  EXPECT_FALSE(PriceCard::Published().Find("gpt-9", "gpt-9").has_value());
  EXPECT_FALSE(PriceCard().Find("mimo-v2-flash", "mimo-v2-flash").has_value());
}

TEST(PriceCard, PublishedPricesAreInYuan) {
  const auto price = PriceCard::Published().Find("mimo-v2.5-pro", "mimo-v2.5-pro");

  EXPECT_EQ(*price,
            (ModelPrice{.currency = "CNY", .cached_input = 25'000, .input = 3'000'000, .output = 6'000'000}));
}

TEST(PriceCard, NamesWhatIsWrong) {
  EXPECT_NE(PriceCardError(R"({"models":{"m":{"input":1,"output":2}}})").find("currency"), std::string::npos);
  EXPECT_NE(PriceCardError(R"({"currency":"usd","models":{}})").find("currency"), std::string::npos);
  EXPECT_NE(PriceCardError(R"({"currency":"USD","model":{}})").find("prices.model"), std::string::npos);
  EXPECT_NE(PriceCardError(R"({"currency":"USD","models":{"m":{"input":1}}})").find("'m'"),
            std::string::npos);
  EXPECT_NE(PriceCardError(R"({"currency":"USD","models":{"m":{"inptu":1,"output":2}}})").find("inptu"),
            std::string::npos);
  EXPECT_NE(PriceCardError(R"({"currency":"USD","models":{"m":{"input":-1,"output":2}}})").find("between"),
            std::string::npos);
  EXPECT_NE(
      PriceCardError(R"({"currency":"USD","models":{"m":{"input":1e-7,"output":2}}})").find("millionth"),
      std::string::npos);
}

TEST(PriceCard, ItsJsonIsReadBack) {
  const PriceCard card = ParseOrDie(PriceCard::Published().ToJson().dump());

  EXPECT_EQ(card.Find("mimo-v2-flash", ""), PriceCard::Published().Find("mimo-v2-flash", ""));
}

TEST(Money, ChargesCachedTokensAtTheirOwnPrice) {
  const ModelPrice price{.currency = "CNY", .cached_input = 25'000, .input = 3'000'000, .output = 6'000'000};
  const TokenCounts tokens{.prompt = 1'000, .cached = 900, .completion = 10, .reasoning = 5};

  // 900 * 0.025 + 100 * 3 + 10 * 6, per million
  EXPECT_EQ(Money::CostOf(tokens, price).ToDecimal(), "0.0003825");
  EXPECT_DOUBLE_EQ(Money::CostOf(tokens, price).ToDouble(), 0.0003825);
}

TEST(Money, SumsOfManyRequestsAreExact) {
  const ModelPrice price{.currency = "CNY", .cached_input = 1, .input = 70'000, .output = 999'999};
  Money sum;
  TokenCounts tokens;
  for (uint64_t i = 0; i < 10'000; ++i) {
    const TokenCounts request{.prompt = i * 7, .cached = i, .completion = i * 3, .reasoning = 0};
    sum += Money::CostOf(request, price);
    tokens += request;
  }

  EXPECT_EQ(sum, Money::CostOf(tokens, price));
}

TEST(Money, HoldsMoreThan64Bits) {
  const ModelPrice price{.currency = "CNY", .cached_input = 0, .input = 1'000'000'000'000, .output = 0};
  const TokenCounts tokens{.prompt = 1'000'000'000'000'000, .cached = 0, .completion = 0, .reasoning = 0};

  EXPECT_EQ(Money::CostOf(tokens, price).ToDecimal(), "1000000000000000");
  EXPECT_EQ(Money().ToDecimal(), "0");
}

}  // namespace
}  // namespace mimo
