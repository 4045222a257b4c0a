#pragma once
// The plain twin of the integer products: the same integers and the same order of rounding, in loops to read.

#include "kernels/kernels.h"

namespace mimo {

// y = W x from args.quantized_rows, whose form `form` is, and weights in rows; args.panel_scratch is not
// used. Requires: HasPanels(type).
void IntegerMatMulReference(const MatMulArgs& args, RowForm form);

}  // namespace mimo
