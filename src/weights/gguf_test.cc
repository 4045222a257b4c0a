#include "weights/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/checkpoint_testutil.h"
#include "weights/gguf_config.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const StoredTensor* NoTensors(std::string_view) { return nullptr; }

void ExpectGgufError(const std::string& file, ErrorCode code, const std::string& part) {
  const auto gguf = ParseGguf(AsBytes(file), "m.gguf");
  ASSERT_FALSE(gguf.has_value()) << "expected: " << part;
  EXPECT_EQ(gguf.error().code, code) << gguf.error().message;
  EXPECT_THAT(gguf.error().message, HasSubstr(part));
}

TEST(ParseGguf, ReadsMetadataAndTensors) {
  GgufBuilder builder;
  builder.String("general.architecture", "mimo2").Uint32("n", 7).Float32("f", 0.5F).Uint32s("list", {1, 2});
  builder.Strings("words", {"a", "", "bc"});
  builder.Tensor(MakeTestTensor("x", StoredType::kBf16, {2, 3}), 30);
  builder.Tensor(MakeTestTensor("y", StoredType::kF32, {4}), 0);
  const std::string file = builder.Bytes();

  const auto gguf = ParseGguf(AsBytes(file), "m.gguf");

  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_EQ(gguf->String("general.architecture"), "mimo2");
  EXPECT_EQ(gguf->Integer("n"), 7);
  EXPECT_EQ(gguf->Find("f")->Number(), 0.5);
  EXPECT_EQ(gguf->Find("list")->Integer(1), 2);
  EXPECT_THAT(gguf->Find("words")->Strings(), ElementsAre("a", "", "bc"));
  ASSERT_EQ(gguf->tensors.size(), 2U);
  EXPECT_EQ(gguf->tensors[0].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(gguf->tensors[0].type, StoredType::kBf16);
  EXPECT_EQ(gguf->tensors[0].data.size(), 12U);
  EXPECT_EQ(gguf->tensors[1].offset % 32, 0U);
}

TEST(ParseGguf, ReportsEveryTruncation) {
  GgufBuilder builder = SmallGgufMetadata();
  builder.Tensor(MakeTestTensor("x", StoredType::kF32, {16}), 0);
  const std::string file = builder.Bytes();
  for (size_t size = 0; size < file.size(); ++size) {
    const std::string cut = file.substr(0, size);
    EXPECT_FALSE(ParseGguf(AsBytes(cut), "m.gguf").has_value()) << size;
  }
}

TEST(ParseGguf, NamesTensorFileAndOffsetOfATruncation) {
  const std::string file = GgufBuilder().Tensor(MakeTestTensor("x", StoredType::kF32, {16}), 0).Bytes();
  ExpectGgufError(file.substr(0, file.size() - 1), ErrorCode::kDataLoss,
                  fmt::format("tensor 'x' needs 64 bytes at byte 0 of 63 bytes of data (m.gguf, offset {})",
                              file.size() - 64));
}

TEST(ParseGguf, KnowsTheNameOfATypeThatNoKernelReads) {
  const std::string file =
      GgufBuilder().Tensor({"x", StoredType::kU8, {2, 256}, std::string(584, '\0')}, 15).Bytes();
  const auto gguf = ParseGguf(AsBytes(file), "m.gguf");
  ASSERT_TRUE(gguf.has_value()) << gguf.error().message;
  EXPECT_EQ(gguf->tensors[0].type, StoredType::kGgufQuantized);
  EXPECT_EQ(gguf->tensors[0].type_name, "q8_k");
}

TEST(ParseGguf, RefusesQ80RowsThatAreNotWholeBlocks) {
  ExpectGgufError(GgufBuilder().Tensor({"x", StoredType::kQ80, {2, 48}, std::string(102, '\0')}, 8).Bytes(),
                  ErrorCode::kDataLoss, "tensor 'x' of type q8_0 has the impossible shape [2,48]");
}

TEST(ParseGguf, RejectsHostileCounts) {
  ExpectGgufError("GGUF" + LittleEndian(3, 4) + LittleEndian(1ULL << 60, 8) + LittleEndian(0, 8),
                  ErrorCode::kDataLoss, "more than any model has");
  const std::string head =
      "GGUF" + LittleEndian(3, 4) + LittleEndian(0, 8) + LittleEndian(1, 8) + LittleEndian(1, 8) + "k";
  ExpectGgufError(head + LittleEndian(9, 4) + LittleEndian(10, 4) + LittleEndian(1ULL << 61, 8),
                  ErrorCode::kDataLoss, "the value of 'k' has 2305843009213693952 elements");
  ExpectGgufError(head + LittleEndian(9, 4) + LittleEndian(8, 4) + LittleEndian(1ULL << 61, 8),
                  ErrorCode::kDataLoss, "the value of 'k' needs 8 bytes");
  ExpectGgufError(head + LittleEndian(8, 4) + LittleEndian(UINT64_MAX, 8), ErrorCode::kDataLoss, "'k'");
  ExpectGgufError(head + LittleEndian(77, 4), ErrorCode::kDataLoss, "unknown type 77");
  TestTensor huge = MakeTestTensor("x", StoredType::kF32, {1});
  huge.shape = {1ULL << 32, 1ULL << 32};
  ExpectGgufError(GgufBuilder().Tensor(huge, 0).Bytes(), ErrorCode::kDataLoss, "impossible shape");
}

TEST(ParseGguf, RejectsWhatIsNotGguf) {
  ExpectGgufError("GGML" + LittleEndian(3, 4), ErrorCode::kDataLoss, "not a GGUF file (m.gguf, offset 0)");
  ExpectGgufError("GGUF" + LittleEndian(1, 4), ErrorCode::kUnimplemented, "GGUF version 1");
  ExpectGgufError(GgufBuilder().Uint32("a", 1).Uint32("a", 2).Bytes(), ErrorCode::kDataLoss,
                  "the key 'a' stands twice");
  ExpectGgufError(GgufBuilder().Uint32("general.alignment", 24).Bytes(), ErrorCode::kDataLoss,
                  "'general.alignment'");
  ExpectGgufError(GgufBuilder().Tensor(MakeTestTensor("x", StoredType::kF32, {1}), 999).Bytes(),
                  ErrorCode::kUnimplemented, "unknown ggml type 999");
}

TEST(ParseGguf, ReportsOverlappingTensors) {
  std::string file = GgufBuilder()
                         .Tensor(MakeTestTensor("x", StoredType::kF32, {16}), 0)
                         .Tensor(MakeTestTensor("y", StoredType::kF32, {16}), 0)
                         .Bytes();
  // y's directory entry ends right before the padding of the header: its offset is the last number there.
  const size_t at = file.find(LittleEndian(64, 8), file.find('y'));
  file.replace(at, 8, LittleEndian(32, 8));
  ExpectGgufError(file, ErrorCode::kDataLoss, "tensor 'y' overlaps tensor 'x' (m.gguf, offset");
}

TEST(ConfigFromGguf, NamesAnotherArchitecture) {
  const std::string file = GgufBuilder().String("general.architecture", "llama").Bytes();
  const auto gguf = ParseGguf(AsBytes(file), "m.gguf");
  const auto config = ConfigFromGguf(*gguf, NoTensors, "m.gguf");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, ErrorCode::kUnimplemented);
  EXPECT_THAT(config.error().message, HasSubstr("architecture 'llama' is not supported (m.gguf)"));
}

TEST(ConfigFromGguf, TranslatesTheMetadata) {
  const std::string file = SmallGgufMetadata().Bytes();
  const auto gguf = ParseGguf(AsBytes(file), "m.gguf");
  const auto json = ConfigFromGguf(*gguf, NoTensors, "m.gguf");
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_EQ((*json)["num_hidden_layers"], 3);
  EXPECT_EQ((*json)["num_key_value_heads"], 2);
  EXPECT_EQ((*json)["swa_num_key_value_heads"], 4);
  EXPECT_EQ((*json)["hybrid_layer_pattern"], Json::array({0, 1, 0}));
}

TEST(ConfigFromGguf, RejectsArraysThatAreTooShortOrUneven) {
  const auto error = [](GgufBuilder& builder) {
    const std::string file = builder.Bytes();
    const auto gguf = ParseGguf(AsBytes(file), "m.gguf");
    const auto config = ConfigFromGguf(*gguf, NoTensors, "m.gguf");
    return config.has_value() ? std::string() : config.error().message;
  };
  GgufBuilder short_pattern;
  short_pattern.String("general.architecture", "mimo2").Uint32("mimo2.block_count", 4);
  short_pattern.Uint32s("mimo2.attention.sliding_window_pattern", {0, 1});
  EXPECT_THAT(error(short_pattern), HasSubstr("'mimo2.attention.sliding_window_pattern' must be an array"));
  GgufBuilder uneven;
  uneven.String("general.architecture", "mimo2").Uint32("mimo2.block_count", 2);
  uneven.Uint32s("mimo2.attention.sliding_window_pattern", {0, 0}).Uint32("mimo2.attention.head_count", 4);
  uneven.Uint32s("mimo2.attention.head_count_kv", {2, 4});
  EXPECT_THAT(error(uneven), HasSubstr("equal in all layers of one kind"));
}

TEST(TokenizerFromGguf, ChecksThatTypesAndTokensMatch) {
  GgufBuilder builder;
  builder.Strings("tokenizer.ggml.tokens", {"a", "b"}).Strings("tokenizer.ggml.merges", {"a b"});
  builder.String("tokenizer.ggml.pre", "qwen2").Uint32s("tokenizer.ggml.token_type", {1, 3});
  const std::string file = builder.Bytes();
  const auto source = TokenizerFromGguf(*ParseGguf(AsBytes(file), "m.gguf"), "m.gguf");
  ASSERT_TRUE(source.has_value());
  EXPECT_THAT(source->tokens, ElementsAre("a", "b"));
  EXPECT_THAT(source->token_types, ElementsAre(1, 3));
  EXPECT_EQ(source->pre_tokenizer, "qwen2");
  const std::string uneven = GgufBuilder()
                                 .Strings("tokenizer.ggml.tokens", {"a"})
                                 .Uint32s("tokenizer.ggml.token_type", {1, 3})
                                 .Bytes();
  EXPECT_FALSE(TokenizerFromGguf(*ParseGguf(AsBytes(uneven), "m.gguf"), "m.gguf").has_value());
}

}  // namespace
}  // namespace mimo
