#include "train/run_plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

namespace mimo {
namespace {

size_t Count(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

RunHistory LongRun() {
  RunHistory history;
  for (uint64_t step = 1; step <= 10000; ++step) {
    history.steps.push_back({.step = step,
                             .tokens = step * 8192,
                             .loss = 8.0 / std::sqrt(static_cast<double>(step)),
                             .learning_rate = 1e-3,
                             .tokens_per_second = 4000});
  }
  history.evaluations = {{.step = 5000, .tokens = 40960000, .loss = 1.0},
                         {.step = 10000, .tokens = 81920000, .loss = 0.5}};
  return history;
}

TEST(RunPlot, DrawsLossRateAndSpeed) {
  const std::string svg = RunPlotSvg(LongRun());
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(Count(svg, "<polyline"), 6U);
  EXPECT_NE(svg.find("held-out"), std::string::npos);
}

TEST(RunPlot, StaysSmallForALongRun) { EXPECT_LT(RunPlotSvg(LongRun()).size(), 200'000U); }

TEST(RunPlot, LeavesOutWhatIsNotANumber) {
  RunHistory history;
  history.steps = {{.step = 1, .tokens = 10, .loss = std::nan("")}, {.step = 2, .tokens = 20, .loss = 1}};
  EXPECT_EQ(RunPlotSvg(history).find("nan"), std::string::npos);
}

TEST(RunPlot, IsEmptyWithoutSteps) { EXPECT_EQ(RunPlotSvg({}).find("nan"), std::string::npos); }

}  // namespace
}  // namespace mimo
