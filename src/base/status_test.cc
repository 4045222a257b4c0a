#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace mimo {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("{} is odd", value);
  return value / 2;
}

Result<int> Quarter(int value) {
  MIMO_ASSIGN_OR_RETURN(const int half, Half(value));
  MIMO_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status CheckEven(int value, int* calls) {
  MIMO_RETURN_IF_ERROR(Half(value));
  ++*calls;
  return {};
}

TEST(Result, CarriesTheValue) {
  const Result<int> result = Quarter(8);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 2);
}

TEST(Result, StopsAtTheFirstErrorAndKeepsItsCodeAndMessage) {
  const Result<int> result = Quarter(6);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "3 is odd");
}

TEST(Result, MovesAValueThatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> {
    MIMO_ASSIGN_OR_RETURN(const std::unique_ptr<int> pointer, make());
    return *pointer;
  };
  EXPECT_EQ(use().value(), 7);
}

TEST(Status, ReturnsEarlyOnError) {
  int calls = 0;
  EXPECT_TRUE(CheckEven(2, &calls).has_value());
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(CheckEven(3, &calls).has_value());
  EXPECT_EQ(calls, 1);
}

TEST(Status, EachMakerSetsItsCode) {
  EXPECT_EQ(InvalidArgument("x").value().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(NotFound("x").value().code, ErrorCode::kNotFound);
  EXPECT_EQ(ResourceExhausted("x").value().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(DataLoss("x").value().code, ErrorCode::kDataLoss);
  EXPECT_EQ(Unavailable("x").value().code, ErrorCode::kUnavailable);
  EXPECT_EQ(Unimplemented("x").value().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(Internal("x").value().code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace mimo
