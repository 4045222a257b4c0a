#include "text/json_schema_number.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "text/grammar_nfa.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

constexpr int kExponentMax = 400;
// States of the remainders of a division.
constexpr uint64_t kRemaindersMax = 20'000;

// whole.fraction, without leading zeros (but for "0") and trailing zeros.
struct Decimal {
  bool negative = false;
  std::string whole;
  std::string fraction;

  bool IsZero() const { return whole == "0" && fraction.empty(); }
};

// By its shortest text, so that 0.1 is a tenth and not the double beside it.
Result<Decimal> ReadDecimal(const Json& number) {
  const std::string text = number.dump();
  Decimal decimal;
  size_t i = 0;
  decimal.negative = text[0] == '-';
  if (decimal.negative) ++i;
  std::string digits;
  int point = -1;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = static_cast<int>(digits.size());
    } else {
      digits += text[i];
    }
  }
  if (point < 0) point = static_cast<int>(digits.size());
  if (i < text.size()) point += std::atoi(text.c_str() + i + 1);
  if (std::abs(point) > kExponentMax) return InvalidArgument("the number {} is out of range", text);
  if (point < 0) {
    std::string padded(static_cast<size_t>(-point), '0');
    padded += digits;
    digits = std::move(padded);
    point = 0;
  }
  if (static_cast<size_t>(point) > digits.size())
    digits.append(static_cast<size_t>(point) - digits.size(), '0');
  decimal.whole = digits.substr(0, static_cast<size_t>(point));
  decimal.fraction = digits.substr(static_cast<size_t>(point));
  decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size()));
  if (decimal.whole.empty()) decimal.whole.push_back('0');
  decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
  if (decimal.IsZero()) decimal.negative = false;
  return decimal;
}

void AddDigits(NfaBuilder* nfa, uint32_t from, char low, char high, uint32_t to) {
  if (low <= high) nfa->AddBytes(from, static_cast<uint8_t>(low), static_cast<uint8_t>(high), to);
}

// Magnitudes (without a sign) greater than `decimal`'s: the first digit that differs decides, or the length.
Result<ByteDfa> GreaterMagnitude(const Decimal& decimal, GrammarBudget* budget) {
  NfaBuilder nfa;
  const uint32_t any_whole = nfa.NewState();  // more digits may follow, and a fraction
  const uint32_t any_point = nfa.NewState();
  const uint32_t any_fraction = nfa.NewState();
  AddDigits(&nfa, any_whole, '0', '9', any_whole);
  nfa.AddBytes(any_whole, '.', '.', any_point);
  AddDigits(&nfa, any_point, '0', '9', any_fraction);
  AddDigits(&nfa, any_fraction, '0', '9', any_fraction);
  nfa.SetLabel(any_whole, 1);
  nfa.SetLabel(any_fraction, 1);

  // remaining[n]: n digits, then whatever is in a fraction.
  const size_t length = decimal.whole.size();
  std::vector<uint32_t> remaining(length + 1);
  for (size_t n = 0; n <= length; ++n) {
    remaining[n] = nfa.NewState();
    if (n > 0) AddDigits(&nfa, remaining[n], '0', '9', remaining[n - 1]);
  }
  nfa.AddBytes(remaining[0], '.', '.', any_point);
  nfa.SetLabel(remaining[0], 1);

  uint32_t longer = nfa.NewState();
  AddDigits(&nfa, NfaBuilder::kStart, '1', '9', longer);
  for (size_t n = 0; n < length; ++n) {
    const uint32_t next = n + 1 == length ? any_whole : nfa.NewState();
    AddDigits(&nfa, longer, '0', '9', next);
    longer = next;
  }

  uint32_t equal = NfaBuilder::kStart;
  for (size_t i = 0; i < length; ++i) {
    const char digit = decimal.whole[i];
    AddDigits(&nfa, equal, static_cast<char>(digit + 1), '9', remaining[length - i - 1]);
    const uint32_t next = nfa.NewState();
    AddDigits(&nfa, equal, digit, digit, next);
    equal = next;
  }
  const uint32_t point = nfa.NewState();
  nfa.AddBytes(equal, '.', '.', point);
  equal = point;
  for (const char digit : decimal.fraction) {
    AddDigits(&nfa, equal, static_cast<char>(digit + 1), '9', any_fraction);
    const uint32_t next = nfa.NewState();
    AddDigits(&nfa, equal, digit, digit, next);
    equal = next;
  }
  const uint32_t zeros = nfa.NewState();
  nfa.AddEpsilon(equal, zeros);
  AddDigits(&nfa, zeros, '0', '0', zeros);
  AddDigits(&nfa, zeros, '1', '9', any_fraction);
  return nfa.Determinize(budget);
}

Result<ByteDfa> EqualMagnitude(const Decimal& decimal, GrammarBudget* budget) {
  NfaBuilder nfa;
  const uint32_t whole = nfa.NewState();
  const uint32_t point = nfa.NewState();
  const uint32_t fraction = nfa.NewState();
  nfa.AddText(NfaBuilder::kStart, decimal.whole, whole);
  nfa.AddBytes(whole, '.', '.', point);
  if (decimal.fraction.empty()) {
    nfa.SetLabel(whole, 1);
    nfa.AddBytes(point, '0', '0', fraction);
  } else {
    nfa.AddText(point, decimal.fraction, fraction);
  }
  nfa.AddBytes(fraction, '0', '0', fraction);
  nfa.SetLabel(fraction, 1);
  return nfa.Determinize(budget);
}

const ByteDfa& Magnitudes() {
  static const ByteDfa kDfa = ConstantRegexDfa(R"((0|[1-9][0-9]*)(\.[0-9]+)?)");
  return kDfa;
}

// Magnitudes without a sign, and others behind a minus.
Result<ByteDfa> WithSigns(const ByteDfa& positive, const ByteDfa& negative, GrammarBudget* budget) {
  NfaBuilder nfa;
  const uint32_t minus = nfa.NewState();
  const uint32_t end = nfa.NewState();
  nfa.AddDfa(NfaBuilder::kStart, positive, end);
  nfa.AddBytes(NfaBuilder::kStart, '-', '-', minus);
  nfa.AddDfa(minus, negative, end);
  nfa.SetLabel(end, 1);
  return nfa.Determinize(budget);
}

Result<ByteDfa> AboveOrEqual(const Decimal& decimal, bool or_equal, GrammarBudget* budget) {
  MIMO_ASSIGN_OR_RETURN(const ByteDfa greater, GreaterMagnitude(decimal, budget));
  MIMO_ASSIGN_OR_RETURN(const ByteDfa equal, EqualMagnitude(decimal, budget));
  MIMO_ASSIGN_OR_RETURN(const ByteDfa greater_or_equal,
                        Combine(greater, equal, DfaOperation::kUnion, budget));
  if (!decimal.negative) {
    // -0 is 0.
    const bool has_zero = decimal.IsZero() && or_equal;
    return WithSigns(or_equal ? greater_or_equal : greater, has_zero ? equal : EmptyDfa(), budget);
  }
  MIMO_ASSIGN_OR_RETURN(const ByteDfa smaller, Combine(Magnitudes(), or_equal ? greater : greater_or_equal,
                                                       DfaOperation::kDifference, budget));
  return WithSigns(Magnitudes(), smaller, budget);
}

// Digits whose value is a multiple of `divisor`, without leading zeros; each state is a remainder.
ByteDfa WholeMultiples(uint64_t divisor) {
  ByteDfa dfa;
  dfa.num_classes = 11;
  for (uint8_t digit = 0; digit < 10; ++digit) {
    dfa.byte_class[static_cast<size_t>('0') + digit] = static_cast<uint8_t>(digit + 1);
  }
  // State 1: nothing read. 2: a zero, after which nothing can follow. 3 + r: remainder r.
  const auto num_states = static_cast<size_t>(divisor + 3);
  dfa.next.assign(num_states * 11, 0);
  dfa.label.assign(num_states, 0);
  dfa.start = 1;
  for (uint64_t digit = 0; digit < 10; ++digit) {
    dfa.next[11 + digit + 1] = static_cast<uint32_t>(digit == 0 ? 2 : 3 + digit % divisor);
    for (uint64_t r = 0; r < divisor; ++r) {
      dfa.next[(3 + r) * 11 + digit + 1] = static_cast<uint32_t>(3 + (r * 10 + digit) % divisor);
    }
  }
  dfa.label[2] = dfa.label[3] = 1;
  return TrimDfa(dfa);
}

// Multiples of divisor / 10^places: the remainder goes on behind the point, for `places` digits at most.
ByteDfa FractionMultiples(uint64_t divisor, uint64_t places) {
  ByteDfa dfa;
  dfa.num_classes = 12;
  for (uint8_t digit = 0; digit < 10; ++digit) {
    dfa.byte_class[static_cast<size_t>('0') + digit] = static_cast<uint8_t>(digit + 1);
  }
  dfa.byte_class[static_cast<uint8_t>('.')] = 11;
  const auto whole = [&](uint64_t r) { return 3 + r; };
  // `place` digits of the fraction read; 0: just the point.
  const auto fraction = [&](uint64_t place, uint64_t r) { return 3 + divisor + place * divisor + r; };
  const auto num_states = static_cast<size_t>(3 + divisor * (places + 2) + 1);
  const auto zeros = static_cast<uint32_t>(num_states - 1);
  dfa.next.assign(num_states * 12, 0);
  dfa.label.assign(num_states, 0);
  dfa.start = 1;
  const auto set_next = [&](uint64_t state, uint64_t digit_class, uint64_t to) {
    dfa.next[static_cast<size_t>(state * 12 + digit_class)] = static_cast<uint32_t>(to);
  };
  for (uint64_t r = 0; r < divisor; ++r) {
    uint64_t scaled = r;  // what the remainder becomes when the missing digits are zeros
    for (uint64_t place = places;; --place) {
      if (place > 0) dfa.label[static_cast<size_t>(fraction(place, r))] = scaled == 0 ? 1 : 0;
      if (place == 0) {
        dfa.label[static_cast<size_t>(whole(r))] = scaled == 0 ? 1 : 0;
        break;
      }
      scaled = scaled * 10 % divisor;
    }
    set_next(whole(r), 11, fraction(0, r));
    for (uint64_t digit = 0; digit < 10; ++digit) {
      const uint64_t next = (r * 10 + digit) % divisor;
      set_next(whole(r), digit + 1, whole(next));
      for (uint64_t place = 0; place < places; ++place) {
        set_next(fraction(place, r), digit + 1, fraction(place + 1, next));
      }
    }
  }
  set_next(fraction(places, 0), 1, zeros);
  set_next(zeros, 1, zeros);
  dfa.label[zeros] = 1;
  for (uint64_t digit = 1; digit < 10; ++digit) set_next(1, digit + 1, whole(digit % divisor));
  set_next(1, 1, 2);
  set_next(2, 11, fraction(0, 0));
  dfa.label[2] = 1;
  return TrimDfa(dfa);
}

}  // namespace

const ByteDfa& PlainNumberDfa() {
  static const ByteDfa kDfa = ConstantRegexDfa(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?)");
  return kDfa;
}

const ByteDfa& PlainIntegerDfa() {
  static const ByteDfa kDfa = ConstantRegexDfa(R"(-?(0|[1-9][0-9]*)(\.0+)?)");
  return kDfa;
}

Result<ByteDfa> NumberBoundDfa(const Json& number, NumberBound bound, GrammarBudget* budget) {
  MIMO_ASSIGN_OR_RETURN(const Decimal decimal, ReadDecimal(number));
  switch (bound) {
    case NumberBound::kAtLeast:
      return AboveOrEqual(decimal, true, budget);
    case NumberBound::kAbove:
      return AboveOrEqual(decimal, false, budget);
    default:
      break;
  }
  MIMO_ASSIGN_OR_RETURN(const ByteDfa others, AboveOrEqual(decimal, bound == NumberBound::kBelow, budget));
  return Combine(PlainNumberDfa(), others, DfaOperation::kDifference, budget);
}

Result<ByteDfa> NumberEqualDfa(const Json& number, GrammarBudget* budget) {
  MIMO_ASSIGN_OR_RETURN(const Decimal decimal, ReadDecimal(number));
  MIMO_ASSIGN_OR_RETURN(const ByteDfa equal, EqualMagnitude(decimal, budget));
  return WithSigns(decimal.negative ? EmptyDfa() : equal,
                   decimal.negative || decimal.IsZero() ? equal : EmptyDfa(), budget);
}

Result<ByteDfa> NumberMultipleDfa(const Json& number, GrammarBudget* budget) {
  MIMO_ASSIGN_OR_RETURN(const Decimal decimal, ReadDecimal(number));
  if (decimal.negative || decimal.IsZero()) return InvalidArgument("it must be greater than 0");
  std::string digits = decimal.whole + decimal.fraction;
  size_t num_zeros = 0;  // a multiple of 1200 is a multiple of 12 with two zeros behind
  if (decimal.fraction.empty()) {
    while (digits.back() == '0') digits.pop_back(), ++num_zeros;
  }
  digits.erase(0, digits.find_first_not_of('0'));
  const uint64_t divisor = digits.size() > 9 ? kRemaindersMax : std::stoull(digits);
  const uint64_t places = decimal.fraction.size();
  if (divisor * (places + 1) >= kRemaindersMax) {
    return InvalidArgument("the number {} has too many digits", number.dump());
  }
  MIMO_RETURN_IF_ERROR(budget->Spend(divisor * (places + 1) * 10));
  if (places > 0) {
    const ByteDfa multiples = FractionMultiples(divisor, places);
    return WithSigns(multiples, multiples, budget);
  }
  NfaBuilder nfa;
  const uint32_t whole = nfa.NewState();
  const uint32_t point = nfa.NewState();
  const uint32_t fraction = nfa.NewState();
  const uint32_t before_zeros = nfa.NewState();
  nfa.AddText(NfaBuilder::kStart, "0", whole);
  nfa.AddDfa(NfaBuilder::kStart, WholeMultiples(divisor), before_zeros);
  nfa.AddText(before_zeros, std::string(num_zeros, '0'), whole);
  nfa.AddBytes(whole, '.', '.', point);
  nfa.AddBytes(point, '0', '0', fraction);
  nfa.AddBytes(fraction, '0', '0', fraction);
  nfa.SetLabel(whole, 1);
  nfa.SetLabel(fraction, 1);
  MIMO_ASSIGN_OR_RETURN(ByteDfa multiples, nfa.Determinize(budget));
  // "0" before the zeros would be a leading zero.
  MIMO_ASSIGN_OR_RETURN(multiples, Combine(multiples, Magnitudes(), DfaOperation::kIntersection, budget));
  return WithSigns(multiples, multiples, budget);
}

Result<ByteDfa> NumberTextDfa(const ByteDfa& numbers, GrammarBudget* budget) {
  static const ByteDfa kWithoutFraction = ConstantRegexDfa("-?(0|[1-9][0-9]*)");
  MIMO_ASSIGN_OR_RETURN(const ByteDfa others,
                        Combine(numbers, PlainIntegerDfa(), DfaOperation::kDifference, budget));
  if (!others.IsEmpty()) return numbers;
  return Combine(numbers, kWithoutFraction, DfaOperation::kIntersection, budget);
}

}  // namespace mimo
