#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

namespace mimo {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  MappedFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimo_mapped_file_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~MappedFileTest() override { std::filesystem::remove_all(folder_); }

  std::string WriteFile(const std::string& name, const std::string& content) const {
    const std::string path = Path(name);
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

TEST_F(MappedFileTest, MapsTheWholeFile) {
  const std::string content("a\0b", 3);
  const Result<MappedFile> file = MappedFile::Open(WriteFile("file", content));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->text(), content);
  EXPECT_EQ(file->bytes().size(), 3U);
  EXPECT_EQ(file->path(), Path("file"));
}

TEST_F(MappedFileTest, GivesAnEmptySpanForAnEmptyFile) {
  const Result<MappedFile> file = MappedFile::Open(WriteFile("empty", ""));
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE(file->bytes().empty());
  file->Populate(0, 1);
}

TEST_F(MappedFileTest, KeepsItsBytesInPlaceWhenMoved) {
  MappedFile first = MappedFile::Open(WriteFile("first", "first")).value();
  const std::byte* const data = first.bytes().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), data);
  MappedFile third = MappedFile::Open(WriteFile("third", "third")).value();
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), data);
  EXPECT_EQ(third.text(), "first");
}

TEST_F(MappedFileTest, NamesThePathOfAMissingFile) {
  const Result<MappedFile> file = MappedFile::Open(Path("missing"));
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_NE(file.error().message.find(Path("missing")), std::string::npos);
}

TEST_F(MappedFileTest, RefusesWhatIsNotARegularFile) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder_.string(), Path("pipe"), std::string("/dev/null")}) {
    const Result<MappedFile> file = MappedFile::Open(path);
    ASSERT_FALSE(file.has_value()) << path;
    EXPECT_EQ(file.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(file.error().message, "not a regular file (" + path + ")");
  }
}

TEST_F(MappedFileTest, PopulatesAndReleasesAnyRangeWithoutLeavingTheFile) {
  const MappedFile file = MappedFile::Open(WriteFile("file", std::string(10'000, 'x'))).value();
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  for (const auto& [offset, size] : {std::pair<uint64_t, uint64_t>{0, 10'000},
                                     {5'000, 1},
                                     {9'999, kMax},
                                     {4'096, kMax - 100},
                                     {10'000, 1},
                                     {kMax, kMax}}) {
    file.Populate(offset, size);
    file.Release(offset, size);
  }
  EXPECT_EQ(file.text(), std::string(10'000, 'x'));
}

TEST_F(MappedFileTest, ReadTextFileReadsUpToItsLimit) {
  const std::string path = WriteFile("file", "12345");
  EXPECT_EQ(ReadTextFile(path, 5).value(), "12345");
  const Result<std::string> text = ReadTextFile(path, 4);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::kResourceExhausted);
}

TEST(MappedFile, ViewsMemoryWithoutOwningIt) {
  const std::string text(10000, 'x');
  {
    MappedFile file = MappedFile::View("name", std::as_bytes(std::span(text)));
    file.Populate(1, 9000);
    file.Release(0, 10000);
    const MappedFile moved = std::move(file);
    EXPECT_EQ(moved.path(), "name");
    EXPECT_EQ(moved.text().data(), text.data());
    EXPECT_EQ(moved.text().size(), text.size());
  }
  EXPECT_EQ(text, std::string(10000, 'x'));
}

}  // namespace
}  // namespace mimo
