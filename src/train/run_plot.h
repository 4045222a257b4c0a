#pragma once
// The picture of a training run.

#include <string>

#include "train/run_log.h"

namespace mimo {

// An SVG document with three panels over the tokens read: loss (training, smoothed, and held-out), learning
// rate, tokens per second. Without steps the panels are empty.
std::string RunPlotSvg(const RunHistory& history);

}  // namespace mimo
