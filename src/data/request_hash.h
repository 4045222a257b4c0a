#pragma once

#include <cstdint>
#include <string_view>

#include "data/turn_drafter.h"
#include "home/home.h"

namespace mimo {

// FNV-1a with a mixed end: the same on every machine.
uint64_t HashText(std::string_view text, uint64_t seed);

// Of what a home's description says, and where the speaker stands in it.
uint64_t HashHome(const Home& home, std::string_view speaker_area);

// Whether the request's combination of situation and argument values is kept out of the training part: one in
// sixteen is, by its hash.
bool IsHeldOut(const TurnDraft& draft);

}  // namespace mimo
