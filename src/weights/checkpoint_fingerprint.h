#pragma once

#include <string>

#include "weights/checkpoint.h"

namespace mimo {

// Text that two checkpoints share only if a forward pass over the same tokens gives the same keys and values:
// lines "name: value" of the geometry as it is after overrides, and of the weights. It does not depend on
// where the files lie or how they are sharded.
//
// Of the weights, names, types and shapes count, and samples of the bytes: every tensor gives at least one.
// Two fine-tunes differ almost everywhere, so a sample tells them apart; reading a checkpoint of hundreds of
// gigabytes whole at each start would tell no more. Somebody who edits single values by hand has to delete
// the cache.
std::string CheckpointFingerprint(const Checkpoint& checkpoint);

}  // namespace mimo
