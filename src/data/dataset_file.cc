// Tokens go to the file as they come. Masks and the index wait in memory, an eighth of a byte per token and
// eight bytes per conversation: less than a second pass over the file would cost.

#include "data/dataset_file.h"

#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "data/random.h"

namespace mimo {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian and read in place");

constexpr char kMagic[8] = {'M', 'I', 'M', 'O', 'D', 'A', 'T', 'A'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kVocabSizeOfTwoBytes = 65536;
constexpr uint32_t kVocabSizeMax = 1u << 31;
constexpr uint64_t kAlignment = 8;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t vocab_size;
  uint64_t num_conversations;
  uint64_t num_tokens;
  uint64_t num_targets;
  uint64_t content_hash[2];
};
static_assert(sizeof(Header) == 56);

uint64_t Aligned(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t TokenBytes(uint32_t vocab_size) { return vocab_size <= kVocabSizeOfTwoBytes ? 2 : 4; }

// Where the parts begin.
struct Layout {
  uint64_t mask;
  uint64_t offsets;
  uint64_t end;
};

// Requires: the counts are at most the size of a file, so that nothing overflows.
Layout LayoutOf(const Header& header) {
  Layout layout;
  layout.mask = Aligned(sizeof(Header) + header.num_tokens * TokenBytes(header.vocab_size));
  layout.offsets = layout.mask + Aligned((header.num_tokens + 7) / 8);
  layout.end = layout.offsets + (header.num_conversations + 1) * sizeof(uint64_t);
  return layout;
}

// Two chains of MixBits over everything that a training run sees.
class ContentHash {
 public:
  void Add(uint64_t value) {
    first_ = MixBits(first_ ^ value);
    second_ = MixBits(second_ + value);
  }
  void AddToken(TokenId token, bool is_target) { Add(uint64_t{token} << 1 | (is_target ? 1 : 0)); }
  void AddEnd() { Add(~uint64_t{0}); }

  uint64_t first() const { return first_; }
  uint64_t second() const { return second_; }

 private:
  uint64_t first_ = 0;
  uint64_t second_ = 0x9E3779B97F4A7C15;
};

DatasetInfo InfoOf(const Header& header) {
  return {.vocab_size = header.vocab_size,
          .num_conversations = header.num_conversations,
          .num_tokens = header.num_tokens,
          .num_targets = header.num_targets,
          .content_hash = fmt::format("{:016x}{:016x}", header.content_hash[0], header.content_hash[1])};
}

// One conversation's part of a mapped file.
RenderedConversation ReadTokens(std::span<const std::byte> bytes, const Header& header, uint64_t begin,
                                uint64_t end) {
  RenderedConversation conversation;
  conversation.tokens.resize(end - begin);
  conversation.is_target.resize(end - begin);
  const std::byte* tokens = bytes.data() + sizeof(Header);
  const std::byte* mask = bytes.data() + LayoutOf(header).mask;
  const bool two_bytes = TokenBytes(header.vocab_size) == 2;
  for (uint64_t i = begin; i < end; ++i) {
    if (two_bytes) {
      uint16_t token;
      std::memcpy(&token, tokens + i * sizeof(token), sizeof(token));
      conversation.tokens[i - begin] = token;
    } else {
      TokenId token;
      std::memcpy(&token, tokens + i * sizeof(token), sizeof(token));
      conversation.tokens[i - begin] = token;
    }
    conversation.is_target[i - begin] = static_cast<uint8_t>(mask[i / 8] >> (i % 8)) & 1;
  }
  return conversation;
}

Result<Header> ReadHeader(const MappedFile& file) {
  const uint64_t size = file.bytes().size();
  Header header;
  if (size < sizeof(header)) {
    return DataLoss("dataset of {} bytes is shorter than its header ({}): make it again", size, file.path());
  }
  std::memcpy(&header, file.bytes().data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return DataLoss("not a dataset ({}): give a file that 'mimo-train data' wrote", file.path());
  }
  if (header.version != kVersion) {
    return Unimplemented("dataset of version {} ({}): this program reads version {}", header.version,
                         file.path(), kVersion);
  }
  const bool plausible =
      header.vocab_size <= kVocabSizeMax && header.num_tokens <= size && header.num_conversations <= size;
  if (!plausible || LayoutOf(header).end != size) {
    return DataLoss("dataset of {} bytes does not have the size that its header tells ({}): make it again",
                    size, file.path());
  }
  return header;
}

// Everything that a reader relies on later: the index is in order, tokens are in the vocabulary, and the
// content is what was written.
Status CheckContent(const MappedFile& file, const Header& header, std::span<const uint64_t> offsets) {
  if (offsets.front() != 0 || offsets.back() != header.num_tokens) {
    return DataLoss("dataset: the index does not cover the tokens ({}): make it again", file.path());
  }
  ContentHash hash;
  uint64_t num_targets = 0;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i] > offsets[i + 1] || offsets[i + 1] > header.num_tokens) {
      return DataLoss("dataset: conversation {} has no place in the file ({}): make it again", i,
                      file.path());
    }
    const RenderedConversation conversation = ReadTokens(file.bytes(), header, offsets[i], offsets[i + 1]);
    for (size_t j = 0; j < conversation.tokens.size(); ++j) {
      if (conversation.tokens[j] >= header.vocab_size) {
        return DataLoss("dataset: token {} of conversation {} is not in the vocabulary ({}): make it again",
                        j, i, file.path());
      }
      hash.AddToken(conversation.tokens[j], conversation.is_target[j] != 0);
      num_targets += conversation.is_target[j];
    }
    hash.AddEnd();
  }
  if (num_targets != header.num_targets || hash.first() != header.content_hash[0] ||
      hash.second() != header.content_hash[1]) {
    return DataLoss("dataset: the content does not have the hash of its header ({}): make it again",
                    file.path());
  }
  return {};
}

}  // namespace

struct DatasetWriter::Impl {
  ~Impl() {
    if (file == nullptr) return;
    std::fclose(file);
    std::remove(temporary_path.c_str());
  }

  tl::unexpected<Error> WriteError() const {
    const int error = errno;
    const ErrorCode code = error == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument;
    return MakeError(code, "cannot write: {} ({}): check the path and the free space", std::strerror(error),
                     temporary_path);
  }

  Status Write(const void* data, size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, file) != size) return WriteError();
    position += size;
    return {};
  }
  Status Pad() {
    constexpr char kZeros[kAlignment] = {};
    return Write(kZeros, Aligned(position) - position);
  }

  std::string path;
  std::string temporary_path;
  std::FILE* file = nullptr;  // null before Create and after Finish
  uint64_t position = 0;
  Header header{};
  ContentHash hash;
  std::vector<uint8_t> mask;
  std::vector<uint64_t> offsets = {0};
};

DatasetWriter::DatasetWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DatasetWriter::~DatasetWriter() = default;
DatasetWriter::DatasetWriter(DatasetWriter&&) noexcept = default;

Result<DatasetWriter> DatasetWriter::Create(const std::string& path, uint32_t vocab_size) {
  MIMO_CHECK(vocab_size <= kVocabSizeMax);
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->temporary_path = path + ".partial";
  impl->file = std::fopen(impl->temporary_path.c_str(), "wb");
  if (impl->file == nullptr) return impl->WriteError();
  std::memcpy(impl->header.magic, kMagic, sizeof(kMagic));
  impl->header.version = kVersion;
  impl->header.vocab_size = vocab_size;
  // Its place; the counts are not known yet.
  MIMO_RETURN_IF_ERROR(impl->Write(&impl->header, sizeof(Header)));
  return DatasetWriter(std::move(impl));
}

Status DatasetWriter::Add(const RenderedConversation& conversation) {
  MIMO_CHECK(conversation.tokens.size() == conversation.is_target.size());
  Header& header = impl_->header;
  for (const TokenId token : conversation.tokens) {
    if (token < header.vocab_size) continue;
    return InvalidArgument("dataset: token {} is not in the vocabulary of {} ({}): use its own tokenizer",
                           token, header.vocab_size, impl_->path);
  }
  impl_->mask.resize((header.num_tokens + conversation.tokens.size() + 7) / 8);
  for (size_t i = 0; i < conversation.tokens.size(); ++i) {
    const bool is_target = conversation.is_target[i] != 0;
    impl_->hash.AddToken(conversation.tokens[i], is_target);
    if (!is_target) continue;
    const uint64_t bit = header.num_tokens + i;
    impl_->mask[bit / 8] = static_cast<uint8_t>(impl_->mask[bit / 8] | 1u << (bit % 8));
    ++header.num_targets;
  }
  impl_->hash.AddEnd();
  header.num_tokens += conversation.tokens.size();
  ++header.num_conversations;
  impl_->offsets.push_back(header.num_tokens);
  if (TokenBytes(header.vocab_size) == 2) {
    const std::vector<uint16_t> narrow(conversation.tokens.begin(), conversation.tokens.end());
    return impl_->Write(narrow.data(), narrow.size() * sizeof(uint16_t));
  }
  return impl_->Write(conversation.tokens.data(), conversation.tokens.size() * sizeof(TokenId));
}

Result<DatasetInfo> DatasetWriter::Finish() {
  Header& header = impl_->header;
  header.content_hash[0] = impl_->hash.first();
  header.content_hash[1] = impl_->hash.second();
  MIMO_RETURN_IF_ERROR(impl_->Pad());
  MIMO_RETURN_IF_ERROR(impl_->Write(impl_->mask.data(), impl_->mask.size()));
  MIMO_RETURN_IF_ERROR(impl_->Pad());
  MIMO_RETURN_IF_ERROR(impl_->Write(impl_->offsets.data(), impl_->offsets.size() * sizeof(uint64_t)));
  MIMO_CHECK(impl_->position == LayoutOf(header).end);
  if (std::fseek(impl_->file, 0, SEEK_SET) != 0) return impl_->WriteError();
  MIMO_RETURN_IF_ERROR(impl_->Write(&header, sizeof(header)));
  // On disk before it has its name, so that a crash leaves no dataset rather than half of one.
  if (std::fflush(impl_->file) != 0 || fsync(fileno(impl_->file)) != 0) return impl_->WriteError();
  std::FILE* file = std::exchange(impl_->file, nullptr);
  if (std::fclose(file) != 0 || std::rename(impl_->temporary_path.c_str(), impl_->path.c_str()) != 0) {
    tl::unexpected<Error> error = impl_->WriteError();
    std::remove(impl_->temporary_path.c_str());
    return error;
  }
  return InfoOf(header);
}

Result<Dataset> Dataset::Open(const std::string& path) {
  Dataset dataset;
  MIMO_ASSIGN_OR_RETURN(dataset.file_, MappedFile::Open(path));
  MIMO_ASSIGN_OR_RETURN(const Header header, ReadHeader(dataset.file_));
  const std::byte* offsets = dataset.file_.bytes().data() + LayoutOf(header).offsets;
  dataset.offsets_ = {reinterpret_cast<const uint64_t*>(offsets), header.num_conversations + 1};
  dataset.info_ = InfoOf(header);
  MIMO_RETURN_IF_ERROR(CheckContent(dataset.file_, header, dataset.offsets_));
  return dataset;
}

RenderedConversation Dataset::Read(uint64_t index) const {
  MIMO_CHECK(index < info_.num_conversations);
  Header header;
  std::memcpy(&header, file_.bytes().data(), sizeof(header));
  return ReadTokens(file_.bytes(), header, offsets_[index], offsets_[index + 1]);
}

}  // namespace mimo
