#include "weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/checkpoint_testutil.h"

namespace mimo {
namespace {

using testing::HasSubstr;

Json Entry(const char* dtype, const std::vector<uint64_t>& shape, uint64_t begin, uint64_t end) {
  return Json{{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
}

void ExpectSafetensorsError(const std::string& file, ErrorCode code, const std::string& part) {
  const auto tensors = ParseSafetensors(AsBytes(file), "m.safetensors");
  ASSERT_FALSE(tensors.has_value()) << "expected: " << part;
  EXPECT_EQ(tensors.error().code, code) << tensors.error().message;
  EXPECT_THAT(tensors.error().message, HasSubstr(part));
}

TEST(ParseSafetensors, ReadsTensorsInTheOrderOfTheirOffsets) {
  const Json header = {{"b", Entry("F32", {2}, 12, 20)}, {"a", Entry("BF16", {2, 3}, 0, 12)}};
  const std::string file = SafetensorsFile(header, "0123456789abcdefghij");

  const auto tensors = ParseSafetensors(AsBytes(file), "m.safetensors");

  ASSERT_TRUE(tensors.has_value()) << tensors.error().message;
  ASSERT_EQ(tensors->size(), 2U);
  const StoredTensor& a = (*tensors)[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, StoredType::kBf16);
  EXPECT_EQ(a.shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(a.offset, file.size() - 20);
  EXPECT_EQ(static_cast<char>((*tensors)[1].data.front()), 'c');
}

TEST(ParseSafetensors, AcceptsEmptyTensorsAndScalars) {
  const Json header = {{"empty", Entry("F32", {0, 5}, 0, 0)}, {"scalar", Entry("I64", {}, 0, 8)}};
  EXPECT_EQ(ParseSafetensors(AsBytes(SafetensorsFile(header, "01234567")), "m.safetensors")->size(), 2U);
}

TEST(ParseSafetensors, ReportsATruncatedFileWithTensorFileAndOffset) {
  const Json header = {{"a", Entry("F32", {4}, 0, 16)}};
  const std::string file = SafetensorsFile(header, "012345678");
  ExpectSafetensorsError(
      file, ErrorCode::kDataLoss,
      fmt::format("tensor 'a' lies at bytes 0 to 16 of 9 bytes of data (m.safetensors, offset {}): the "
                  "file is truncated",
                  file.size() - 9));
  ExpectSafetensorsError(file.substr(0, 20), ErrorCode::kDataLoss, "does not fit the file of 20 bytes");
  ExpectSafetensorsError("1234", ErrorCode::kDataLoss, "4 bytes are too short");
}

TEST(ParseSafetensors, ReportsOverlapsHolesAndTrailingBytes) {
  const Json overlap = {{"a", Entry("U8", {8}, 0, 8)}, {"b", Entry("U8", {8}, 4, 12)}};
  const std::string file = SafetensorsFile(overlap, "0123456789ab");
  ExpectSafetensorsError(
      file, ErrorCode::kDataLoss,
      fmt::format("tensor 'b' overlaps tensor 'a' (m.safetensors, offset {})", file.size() - 8));
  const Json hole = {{"a", Entry("U8", {4}, 0, 4)}, {"b", Entry("U8", {4}, 6, 10)}};
  ExpectSafetensorsError(SafetensorsFile(hole, "0123456789"), ErrorCode::kDataLoss,
                         "2 bytes belong to no tensor before tensor 'b'");
  const Json one = {{"a", Entry("U8", {4}, 0, 4)}};
  ExpectSafetensorsError(SafetensorsFile(one, "012345"), ErrorCode::kDataLoss,
                         "2 bytes follow the last tensor");
}

TEST(ParseSafetensors, ReportsShapesThatDoNotFitTheirBytes) {
  ExpectSafetensorsError(SafetensorsFile({{"a", Entry("F32", {3}, 0, 8)}}, "01234567"), ErrorCode::kDataLoss,
                         "tensor 'a' of type F32 and shape [3] does not fill its 8 bytes");
  ExpectSafetensorsError(SafetensorsFile({{"a", Entry("F32", {1ULL << 32, 1ULL << 32}, 0, 0)}}, ""),
                         ErrorCode::kDataLoss, "does not fill its 0 bytes");
}

TEST(ParseSafetensors, ReportsMalformedHeaders) {
  ExpectSafetensorsError(LittleEndian(UINT64_MAX, 8) + "{}", ErrorCode::kDataLoss,
                         "a header of 18446744073709551615 bytes");
  ExpectSafetensorsError(LittleEndian(4, 8) + "{\"a\"", ErrorCode::kDataLoss, "malformed JSON at byte");
  ExpectSafetensorsError(SafetensorsFile({{"a", Entry("F7", {1}, 0, 1)}}, "0"), ErrorCode::kDataLoss,
                         "unknown type 'F7'");
  ExpectSafetensorsError(SafetensorsFile({{"a", {{"dtype", "U8"}, {"shape", {1}}}}}, "0"),
                         ErrorCode::kDataLoss, "needs two data_offsets");
  ExpectSafetensorsError(SafetensorsFile({{"a", Entry("U8", {1}, 5, 3)}}, "0"), ErrorCode::kDataLoss, "'a'");
  ExpectSafetensorsError(SafetensorsFile({{"a", {{"shape", {-1}}}}}, "0"), ErrorCode::kDataLoss,
                         "a negative number");
  ExpectSafetensorsError(SafetensorsFile({{"a", {{"shape", {{1}}}}}}, "0"), ErrorCode::kDataLoss, "an array");
  ExpectSafetensorsError(SafetensorsFile(Json::array({1}), "0"), ErrorCode::kDataLoss, "an array");
}

TEST(ParseSafetensors, ReportsANameThatStandsTwice) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  const std::string header = "{" + entry + "," + entry + "}";
  ExpectSafetensorsError(LittleEndian(header.size(), 8) + header + "0", ErrorCode::kDataLoss, "'a'");
}

TEST(ParseSafetensorsIndex, ReadsWeightMapAndTpSize) {
  const auto index = ParseSafetensorsIndex(
      R"({"metadata":{"total_size":9,"tp_size":4,"x":{"y":[1,null]}},"weight_map":{"a":"m-1.safetensors"}})",
      "index");
  ASSERT_TRUE(index.has_value()) << index.error().message;
  EXPECT_EQ(index->tp_size, 4U);
  ASSERT_EQ(index->file_by_tensor.size(), 1U);
  EXPECT_EQ(index->file_by_tensor[0].second, "m-1.safetensors");
}

TEST(ParseSafetensorsIndex, RefusesFilesOutsideTheFolder) {
  for (const char* name : {"../m.safetensors", "/etc/m.safetensors", "", "m.bin", "a\\\\m.safetensors"}) {
    const auto index = ParseSafetensorsIndex(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name), "index");
    ASSERT_FALSE(index.has_value()) << name;
    EXPECT_THAT(index.error().message, HasSubstr("of the same folder"));
  }
}

TEST(ParseSafetensorsIndex, RefusesOtherShapes) {
  EXPECT_FALSE(ParseSafetensorsIndex("{}", "index").has_value());
  EXPECT_FALSE(ParseSafetensorsIndex("[]", "index").has_value());
  EXPECT_FALSE(ParseSafetensorsIndex(R"({"weight_map":{"a":1}})", "index").has_value());
  EXPECT_FALSE(ParseSafetensorsIndex(R"({"weight_map":{"a":{"b":"c"}}})", "index").has_value());
}

}  // namespace
}  // namespace mimo
