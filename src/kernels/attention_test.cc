// Attention of every variant that this machine supports: against the plain twin, against the formula in
// double precision, and against itself in other company and other pieces, to the bit.

#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/attention_testutil.h"
#include "kernels/kernels.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

constexpr float kFloatEpsilon = 0x1p-23F;  // of float32
constexpr KvElement kElements[] = {KvElement::kF32, KvElement::kBf16, KvElement::kQ80, KvElement::kQ40};

enum class Queries : uint8_t { kAny, kBf16, kZero };  // kBf16: numbers that bfloat16 holds

struct AttentionCase {
  KvElement element = KvElement::kF32;
  uint32_t num_heads = 1;
  uint32_t num_tokens = 1;
  uint32_t num_keys = 1;  // the last token stands at num_keys - 1
  uint32_t window = 0;
  uint32_t head_dim = 32;
  uint32_t v_head_dim = 32;
  bool has_sinks = false;
  Queries queries = Queries::kAny;

  uint32_t position() const { return num_keys - num_tokens; }
  uint32_t rows() const { return num_tokens * num_heads; }
};

std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  return out << WeightTypeName(WeightTypeOf(c.element)) << " heads " << c.num_heads << " tokens "
             << c.num_tokens << " keys " << c.num_keys << " window " << c.window << " dims " << c.head_dim
             << " " << c.v_head_dim << (c.has_sinks ? " sinks" : "");
}

struct TokenRange {
  uint32_t first;
  uint32_t count;
};

// Queries, keys, values and sinks of one KV head, and any way to attend them.
class Problem {
 public:
  Problem(const AttentionCase& c, std::mt19937_64& random)
      : c_(c),
        q_(RandomFloats(size_t{c.rows()} * c.head_dim, random)),
        sinks_(RandomFloats(c.num_heads, random)),
        k_(WeightTypeOf(c.element), c.num_keys, c.head_dim, random),
        v_(WeightTypeOf(c.element), c.num_keys, c.v_head_dim, random),
        k_rows_(Rows(k_.view())),
        v_rows_(Rows(v_.view())) {
    for (float& value : q_) {
      if (c.queries == Queries::kZero) value = 0;
      if (c.queries == Queries::kBf16) value = ToFloat(ToBf16(value));
    }
  }

  const float* q(uint32_t t, uint32_t h) const { return &q_[(size_t{t} * c_.num_heads + h) * c_.head_dim]; }
  const float* sinks() const { return c_.has_sinks ? sinks_.data() : nullptr; }
  std::vector<float> Key(uint32_t j) const { return Row(k_, j); }
  std::vector<float> Value(uint32_t j) const { return Row(v_, j); }

  // [tokens.count, num_heads, v_head_dim], keys cut at multiples of `piece_keys`, and into spans of random
  // lengths.
  std::vector<float> Attend(const Kernels& kernels, TokenRange tokens, uint32_t piece_keys,
                            std::mt19937_64& random, std::vector<float>* maxima = nullptr) const {
    const auto [first, num_tokens] = tokens;
    const uint32_t rows = num_tokens * c_.num_heads;
    AttentionArgs args = {.element = c_.element,
                          .q = q(first, 0),
                          .q_stride = size_t{c_.num_heads} * c_.head_dim,
                          .num_tokens = num_tokens,
                          .num_heads = c_.num_heads,
                          .head_dim = c_.head_dim,
                          .v_head_dim = c_.v_head_dim,
                          .scale = 1.0F / std::sqrt(static_cast<float>(c_.head_dim)),
                          .position = c_.position() + first,
                          .window = c_.window,
                          .spans = {},
                          .partial = {}};
    const AlignedFloats scratch(AttentionScratchFloats(rows, c_.head_dim, c_.v_head_dim));
    const AlignedFloats all(AttentionPartialFloats(rows, c_.v_head_dim));
    const AlignedFloats one(AttentionPartialFloats(rows, c_.v_head_dim));
    const AttentionPartial merged = AttentionPartialAt(all.get(), rows, c_.v_head_dim);
    args.scratch = scratch.get();
    const uint32_t begin = FirstVisibleKey(args, 0);
    const uint32_t end = VisibleKeysEnd(args, num_tokens - 1);
    for (uint32_t at = begin; at < end;) {
      const uint32_t piece_end = std::min(end, (at / piece_keys + 1) * piece_keys);
      const std::vector<KeySpan> spans = Spans(at, piece_end, random);
      args.spans = spans;
      args.first_key = at;
      args.partial = at == begin ? merged : AttentionPartialAt(one.get(), rows, c_.v_head_dim);
      kernels.attention(args);
      if (at != begin) MergeAttention(args.partial, rows, c_.v_head_dim, merged);
      at = piece_end;
    }
    if (maxima != nullptr) maxima->assign(merged.maxima, merged.maxima + rows);
    std::vector<float> out(size_t{rows} * c_.v_head_dim);
    for (uint32_t t = 0; t < num_tokens; ++t) {
      FinishAttention({.partial = merged,
                       .first_row = t * c_.num_heads,
                       .num_heads = c_.num_heads,
                       .v_head_dim = c_.v_head_dim,
                       .sinks = sinks(),
                       .out = out.data() + size_t{t} * c_.num_heads * c_.v_head_dim});
    }
    return out;
  }

  std::vector<float> Attend(const Kernels& kernels, std::mt19937_64& random) const {
    return Attend(kernels, {0, c_.num_tokens}, kAttentionPieceKeys, random);
  }

  // The largest score of each row.
  std::vector<float> Maxima(const Kernels& kernels, std::mt19937_64& random) const {
    std::vector<float> maxima;
    Attend(kernels, {0, c_.num_tokens}, kAttentionPieceKeys, random, &maxima);
    return maxima;
  }

 private:
  static std::vector<float> Row(const RandomMatrix& matrix, uint32_t row) {
    std::vector<float> values(matrix.view().cols);
    DequantizeRow(matrix.view(), row, values.data());
    return values;
  }

  // RandomMatrix begins at an odd address; a KV cache aligns its elements.
  static std::vector<std::byte> Rows(const MatrixView& matrix) {
    std::vector<std::byte> rows(matrix.rows * matrix.row_bytes);
    std::memcpy(rows.data(), matrix.data, rows.size());
    return rows;
  }

  std::vector<KeySpan> Spans(uint32_t begin, uint32_t end, std::mt19937_64& random) const {
    std::vector<KeySpan> spans;
    while (begin < end) {
      const auto count = std::min(end - begin, 1 + static_cast<uint32_t>(random() % 64));
      spans.push_back({k_rows_.data() + begin * k_.view().row_bytes,
                       v_rows_.data() + begin * v_.view().row_bytes, count});
      begin += count;
    }
    return spans;
  }

  AttentionCase c_;
  std::vector<float> q_;
  std::vector<float> sinks_;
  RandomMatrix k_;
  RandomMatrix v_;
  std::vector<std::byte> k_rows_;
  std::vector<std::byte> v_rows_;
};

std::span<const Kernels* const> VectorKernels() { return SupportedKernels().subspan(1); }

// Variants that round queries and weights to bfloat16 (attention_bf16_avx512.h).
bool MultipliesBf16(const Kernels& kernels, const AttentionCase& c) {
  return std::string_view(kernels.name) == "avx512_bf16" && c.element == KvElement::kBf16 &&
         c.head_dim % 32 == 0 && c.v_head_dim % 32 == 0;
}

bool IsBlocked(KvElement element) { return element == KvElement::kQ80 || element == KvElement::kQ40; }

// Around every edge: heads of a block of rows, keys of a tile, a window over two tiles, vectors of 16.
std::vector<AttentionCase> EdgeCases(KvElement element) {
  std::vector<AttentionCase> cases;
  uint32_t count = 0;
  for (const uint32_t num_heads : {1U, 2U, 3U, 5U, 8U, 16U}) {
    for (const uint32_t num_keys : {1U, 2U, 16U, 127U, 128U, 129U, 300U}) {
      for (const uint32_t num_tokens : {1U, 3U, 12U}) {
        for (const uint32_t window : {0U, 5U, 128U}) {
          if (num_tokens > num_keys) continue;
          AttentionCase c = {element, num_heads, num_tokens, num_keys, window};
          c.has_sinks = ++count % 2 == 0;
          const std::pair<uint32_t, uint32_t> dims[] = {{192, 128}, {24, 16}, {8, 40}, {17, 3}, {32, 64}};
          const std::pair<uint32_t, uint32_t> block_dims[] = {{192, 128}, {32, 64}, {96, 32}};
          std::tie(c.head_dim, c.v_head_dim) =
              IsBlocked(element) ? block_dims[count % 3] : dims[count % std::size(dims)];
          cases.push_back(c);
        }
      }
    }
  }
  return cases;
}

AttentionCase RandomCase(std::mt19937_64& random, uint32_t keys_max) {
  const auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  AttentionCase c;
  c.element = kElements[below(4)];
  c.num_heads = 1 + below(17);
  c.num_keys = 1 + below(keys_max);
  c.num_tokens = std::min(c.num_keys, 1 + below(24));
  c.window = below(2) == 0 ? 0 : 1 + below(200);
  c.head_dim = 1 + below(70);
  c.v_head_dim = 1 + below(70);
  if (IsBlocked(c.element) || (c.element == KvElement::kBf16 && below(2) == 0)) {
    c.head_dim = 32 * (1 + below(4));
    c.v_head_dim = 32 * (1 + below(4));
  }
  c.has_sinks = below(2) == 0;
  return c;
}

// The largest magnitude of a value bounds every output: weights sum to at most 1.
float LargestValue(const Problem& problem, const AttentionCase& c) {
  float largest = 0;
  for (uint32_t j = 0; j < c.num_keys; ++j) {
    for (const float v : problem.Value(j)) largest = std::max(largest, std::abs(v));
  }
  return largest;
}

// max over rows and keys of scale * sum_d |q_d k_d|.
float LargestScore(const Problem& problem, const AttentionCase& c) {
  float largest = 0;
  for (uint32_t j = 0; j < c.num_keys; ++j) {
    const std::vector<float> key = problem.Key(j);
    for (uint32_t row = 0; row < c.rows(); ++row) {
      float sum = 0;
      for (uint32_t d = 0; d < c.head_dim; ++d) sum += std::abs(problem.q(0, row)[d] * key[d]);
      largest = std::max(largest, sum);
    }
  }
  return largest / std::sqrt(static_cast<float>(c.head_dim));
}

// A score is off by at most (head_dim + 1) * epsilon * LargestScore (Higham, section 3.1); its weight by that
// share, and by 2^-22 for the exponential, and twice because the denominator has the same errors. The sums
// over keys add their count times epsilon, and merging one factor a piece. Outputs are averages of values.
//
// Rounding a query to bfloat16 moves a score by at most 2^-9 of LargestScore, rounding a weight by 2^-9 of
// itself; an average moves by twice what its weights move by. exp(x) - 1 < 1.1 x where these bounds are
// small, as here.
float Tolerance(const Kernels& kernels, const Problem& problem, const AttentionCase& c) {
  const float score = static_cast<float>(c.head_dim + 1) * LargestScore(problem, c);
  const float sums = static_cast<float>(c.num_keys) + 16.0F;
  float tolerance = 2 * kFloatEpsilon * (score + sums);
  if (MultipliesBf16(kernels, c) && c.queries != Queries::kZero) {
    const float moved = c.queries == Queries::kAny ? LargestScore(problem, c) + 1 : 1;
    tolerance += 1.1F * 2 * 0x1p-9F * moved;
  }
  return tolerance * LargestValue(problem, c);
}

void ExpectTheTwin(const AttentionCase& c, std::mt19937_64& random) {
  const Problem problem(c, random);
  const std::vector<float> expected = problem.Attend(ReferenceKernels(), random);
  std::vector<float> first;
  for (const Kernels* kernels : VectorKernels()) {
    const float tolerance = Tolerance(*kernels, problem, c);
    const std::vector<float> actual = problem.Attend(*kernels, random);
    for (size_t i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], tolerance) << kernels->name << " " << c << " at " << i;
    }
    if (MultipliesBf16(*kernels, c)) continue;
    if (first.empty()) first = actual;
    ASSERT_EQ(first, actual) << kernels->name << " " << c;
  }
}

TEST(Attention, EveryVariantAgreesWithThePlainTwin) {
  std::mt19937_64 random(3);
  for (const KvElement element : kElements) {
    for (const AttentionCase& c : EdgeCases(element)) ASSERT_NO_FATAL_FAILURE(ExpectTheTwin(c, random));
  }
  for (int i = 0; i < 150; ++i) ASSERT_NO_FATAL_FAILURE(ExpectTheTwin(RandomCase(random, 700), random));
}

// Where bfloat16 rounds nothing, neither does a variant that multiplies bfloat16 numbers: here all weights
// are 1.
TEST(Attention, EqualWeightsGiveTheAverageInEveryVariant) {
  std::mt19937_64 random(8);
  for (AttentionCase c : EdgeCases(KvElement::kBf16)) {
    c.queries = Queries::kZero;
    c.has_sinks = false;
    ASSERT_NO_FATAL_FAILURE(ExpectTheTwin(c, random));
  }
}

// The same of scores, of which a row's largest can be seen.
TEST(Attention, ScoresOfBfloat16QueriesAreExactInEveryVariant) {
  std::mt19937_64 random(9);
  for (AttentionCase c : EdgeCases(KvElement::kBf16)) {
    c.queries = Queries::kBf16;
    const Problem problem(c, random);
    const std::vector<float> expected = problem.Maxima(ReferenceKernels(), random);
    const float tolerance = static_cast<float>(c.head_dim + 1) * kFloatEpsilon * LargestScore(problem, c);
    for (const Kernels* kernels : VectorKernels()) {
      const std::vector<float> actual = problem.Maxima(*kernels, random);
      for (size_t i = 0; i < actual.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], tolerance) << kernels->name << " " << c << " row " << i;
      }
    }
  }
}

// p_j = exp(s_j - M) / (sum_i exp(s_i - M) + exp(sink - M)),  s_j = scale * (q . k_j)
std::vector<double> Formula(const Problem& problem, const AttentionCase& c, uint32_t t, uint32_t h) {
  const uint32_t end = c.position() + t + 1;
  const uint32_t begin = c.window != 0 && end > c.window ? end - c.window : 0;
  std::vector<double> scores;
  for (uint32_t j = begin; j < end; ++j) {
    const std::vector<float> key = problem.Key(j);
    double sum = 0;
    for (uint32_t d = 0; d < c.head_dim; ++d) sum += double{problem.q(t, h)[d]} * key[d];
    scores.push_back(sum / std::sqrt(static_cast<double>(c.head_dim)));
  }
  double maximum = *std::max_element(scores.begin(), scores.end());
  if (c.has_sinks) maximum = std::max(maximum, double{problem.sinks()[h]});
  double denominator = c.has_sinks ? std::exp(problem.sinks()[h] - maximum) : 0.0;
  std::vector<double> out(c.v_head_dim);
  for (uint32_t j = begin; j < end; ++j) {
    const double weight = std::exp(scores[j - begin] - maximum);
    const std::vector<float> value = problem.Value(j);
    denominator += weight;
    for (uint32_t d = 0; d < c.v_head_dim; ++d) out[d] += weight * value[d];
  }
  for (double& value : out) value /= denominator;
  return out;
}

TEST(Attention, EveryVariantAgreesWithTheFormulaInDoublePrecision) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 40; ++i) {
    const AttentionCase c = RandomCase(random, 2500);
    const Problem problem(c, random);
    for (const Kernels* kernels : SupportedKernels()) {
      const float tolerance = Tolerance(*kernels, problem, c);
      const std::vector<float> actual = problem.Attend(*kernels, random);
      for (uint32_t t = 0; t < c.num_tokens; t += 5) {
        const uint32_t h = t % c.num_heads;
        const std::vector<double> expected = Formula(problem, c, t, h);
        for (uint32_t d = 0; d < c.v_head_dim; ++d) {
          ASSERT_NEAR(actual[(size_t{t} * c.num_heads + h) * c.v_head_dim + d], expected[d], tolerance)
              << kernels->name << " " << c << " token " << t;
        }
      }
    }
  }
}

TEST(Attention, ATokenHasTheSameBitsAloneAndWithAnyOtherTokensOfItsChunk) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    const AttentionCase c = RandomCase(random, 2500);
    const Problem problem(c, random);
    const size_t token_size = size_t{c.num_heads} * c.v_head_dim;
    for (const Kernels* kernels : SupportedKernels()) {
      const std::vector<float> together = problem.Attend(*kernels, random);
      for (uint32_t first = 0; first < c.num_tokens;) {
        const uint32_t count = std::min(c.num_tokens - first, 1 + static_cast<uint32_t>(random() % 4));
        const std::vector<float> part = problem.Attend(*kernels, {first, count}, kAttentionPieceKeys, random);
        ASSERT_EQ(std::memcmp(part.data(), &together[first * token_size], part.size() * sizeof(float)), 0)
            << kernels->name << " " << c << " tokens " << first << " to " << first + count;
        first += count;
      }
    }
  }
}

// The cuts are part of the result's definition: at other multiples the same sum has other bits.
TEST(Attention, PiecesOfAnySizeGiveTheSameResultUpToRounding) {
  std::mt19937_64 random(6);
  const AttentionCase c = {KvElement::kBf16, 5, 3, 700, 0, 64, 32, true};
  const Problem problem(c, random);
  for (const Kernels* kernels : SupportedKernels()) {
    const std::vector<float> whole = problem.Attend(*kernels, random);
    const float tolerance = Tolerance(*kernels, problem, c);
    for (const uint32_t piece_keys : {1U, 7U, 128U, 256U}) {
      const std::vector<float> pieces = problem.Attend(*kernels, {0, c.num_tokens}, piece_keys, random);
      for (size_t i = 0; i < whole.size(); ++i) {
        ASSERT_NEAR(pieces[i], whole[i], tolerance) << kernels->name << " " << piece_keys;
      }
    }
  }
}

TEST(Attention, AnUnseenKeyWeighsNothingHoweverLargeItIs) {
  std::mt19937_64 random(7);
  // The second token's own key would take all the weight of the first, which must not see it.
  std::vector<float> k(2 * 16, 0.0F);
  std::vector<float> v(2 * 16, 1.0F);
  std::fill(k.begin() + 16, k.end(), 1000.0F);
  std::fill(v.begin() + 16, v.end(), 1e30F);
  const std::vector<float> q(2 * 16, 100.0F);
  const KeySpan span = {k.data(), v.data(), 2};
  for (const Kernels* kernels : SupportedKernels()) {
    const AlignedFloats scratch(AttentionScratchFloats(2, 16, 16));
    const AlignedFloats memory(AttentionPartialFloats(2, 16));
    const AttentionPartial partial = AttentionPartialAt(memory.get(), 2, 16);
    kernels->attention({.element = KvElement::kF32,
                        .q = q.data(),
                        .q_stride = 16,
                        .num_tokens = 2,
                        .num_heads = 1,
                        .head_dim = 16,
                        .v_head_dim = 16,
                        .scale = 1.0F,
                        .position = 0,
                        .spans = {&span, 1},
                        .partial = partial,
                        .scratch = scratch.get()});
    EXPECT_EQ(partial.denominators[0], 1.0F) << kernels->name;
    EXPECT_EQ(partial.values[0], 1.0F) << kernels->name;
    EXPECT_EQ(partial.values[16], 1e30F) << kernels->name;
  }
}

TEST(MergeAttention, LeavesARowAsItIsWhereTheOtherSideHasSeenNothing) {
  std::vector<float> seen_values(16, 0.1F);
  std::vector<float> empty_values(16, 0.0F);
  float seen_maximum = -1e4F;
  float empty_maximum = std::numeric_limits<float>::lowest();
  float seen_denominator = 3.3F;
  float empty_denominator = 0;
  const AttentionPartial seen = {seen_values.data(), &seen_maximum, &seen_denominator};
  const AttentionPartial empty = {empty_values.data(), &empty_maximum, &empty_denominator};

  MergeAttention(empty, 1, 16, seen);
  EXPECT_EQ(seen_values[3], 0.1F);
  EXPECT_EQ(seen_maximum, -1e4F);
  EXPECT_EQ(seen_denominator, 3.3F);

  MergeAttention(seen, 1, 16, empty);
  EXPECT_EQ(empty_values[3], 0.1F);
  EXPECT_EQ(empty_maximum, -1e4F);
  EXPECT_EQ(empty_denominator, 3.3F);
}

TEST(FinishAttention, ASinkAboveEveryScoreTakesMostOfTheWeight) {
  std::vector<float> values(16, 2.0F);
  float maximum = 1.0F;
  float denominator = 1.0F;
  const float sink = 1.0F + std::log(3.0F);
  std::vector<float> out(5);
  FinishAttention({.partial = {values.data(), &maximum, &denominator},
                   .num_heads = 1,
                   .v_head_dim = 5,
                   .sinks = &sink,
                   .out = out.data()});
  for (const float value : out) EXPECT_NEAR(value, 2.0F / (1.0F + 3.0F), 4 * kFloatEpsilon);
}

}  // namespace
}  // namespace mimo
