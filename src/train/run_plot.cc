#include "train/run_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace mimo {
namespace {

constexpr double kWidth = 900;
constexpr double kPanelHeight = 260;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 30;
constexpr double kBottom = 34;
constexpr size_t kPointsMax = 1500;  // of a curve: more do not fit the pixels
constexpr int kTicks = 5;

struct Point {
  double x = 0;
  double y = 0;
};

struct Curve {
  std::string_view name = {};  // empty: not in the legend
  std::string_view color = {};
  double opacity = 1;
  double width = 1.5;
  std::vector<Point> points = {};
};

struct Range {
  double low = 0;
  double high = 1;
};

// A step of 1, 2 or 5 times a power of ten that gives about kTicks of them.
double TickStep(const Range& range) {
  const double rough = std::max(range.high - range.low, 1e-12) / kTicks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10.0 * power;
}

std::string Label(double value) {
  if (std::abs(value) >= 1e9) return fmt::format("{:g}G", value / 1e9);
  if (std::abs(value) >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (std::abs(value) >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

// Every n-th point, and the last.
std::vector<Point> Thin(const std::vector<Point>& points) {
  const size_t stride = points.size() / kPointsMax + 1;
  std::vector<Point> thinned;
  for (size_t i = 0; i < points.size(); i += stride) thinned.push_back(points[i]);
  if (!points.empty() && (points.size() - 1) % stride != 0) thinned.push_back(points.back());
  return thinned;
}

// Exponential moving average over about a fiftieth of the run, without the pull of a start value.
std::vector<Point> Smooth(const std::vector<Point>& points) {
  const double weight = 1.0 - 1.0 / std::max(1.0, static_cast<double>(points.size()) / 50.0);
  std::vector<Point> smooth;
  double sum = 0;
  double total = 0;
  for (const Point& point : points) {
    sum = weight * sum + point.y;
    total = weight * total + 1.0;
    smooth.push_back({point.x, sum / total});
  }
  return smooth;
}

template <typename Value>
std::vector<Point> StepPoints(const RunHistory& history, Value value) {
  std::vector<Point> points;
  for (const StepRecord& step : history.steps) {
    const double y = value(step);
    if (std::isfinite(y)) points.push_back({static_cast<double>(step.tokens), y});
  }
  return points;
}

// From 0, so that heights compare.
Range RangeOfY(const std::vector<Curve>& curves) {
  Range range = {0.0, 0.0};
  for (const Curve& curve : curves) {
    for (const Point& point : curve.points) {
      range.low = std::min(range.low, point.y);
      range.high = std::max(range.high, point.y);
    }
  }
  if (range.high <= range.low) range.high = range.low + 1.0;
  return range;
}

// Draws one panel below `offset`.
class Panel {
 public:
  Panel(std::string& svg, double offset, const Range& x, const Range& y)
      : svg_(svg), offset_(offset), x_(x), y_(y) {}

  void Axes(std::string_view title) {
    Append(R"(<text x="{:.1f}" y="{:.1f}" font-weight="bold">{}</text>)", kLeft, offset_ + 18, title);
    const double y_step = TickStep(y_);
    for (double y = std::ceil(y_.low / y_step) * y_step; y <= y_.high * (1 + 1e-9); y += y_step) {
      Append(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="#ddd"/>)", kLeft, Y(y),
             kWidth - kRight, Y(y));
      Append(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", kLeft - 6, Y(y) + 4, Label(y));
    }
    const double x_step = TickStep(x_);
    for (double x = x_.low; x <= x_.high * (1 + 1e-9); x += x_step) {
      Append(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", X(x),
             offset_ + kPanelHeight - kBottom + 18, Label(x));
    }
    Append(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="none" stroke="#888"/>)", kLeft,
           offset_ + kTop, kWidth - kLeft - kRight, kPanelHeight - kTop - kBottom);
  }

  void Draw(const Curve& curve) {
    Append(R"(<polyline fill="none" stroke="{}" stroke-opacity="{}" stroke-width="{}" points=")", curve.color,
           curve.opacity, curve.width);
    for (const Point& point : curve.points) Append("{:.1f},{:.1f} ", X(point.x), Y(point.y));
    svg_ += "\"/>\n";
  }

  void Legend(const std::vector<Curve>& curves) {
    double x = kWidth - kRight;
    for (auto curve = curves.rbegin(); curve != curves.rend(); ++curve) {
      if (curve->name.empty()) continue;
      Append(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end" fill="{}">{}</text>)", x, offset_ + 18,
             curve->color, curve->name);
      x -= 8.0 * static_cast<double>(curve->name.size()) + 16;
    }
  }

 private:
  template <typename... Args>
  void Append(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Args>(args)...);
    if (svg_.ends_with('>')) svg_ += '\n';
  }
  double X(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight); }
  double Y(double y) const {
    return offset_ + kPanelHeight - kBottom -
           (y - y_.low) / (y_.high - y_.low) * (kPanelHeight - kTop - kBottom);
  }

  std::string& svg_;
  const double offset_;
  const Range x_;
  const Range y_;
};

struct PanelContent {
  std::string_view title;
  std::vector<Curve> curves;
};

std::vector<PanelContent> Contents(const RunHistory& history) {
  const std::vector<Point> loss = StepPoints(history, [](const StepRecord& step) { return step.loss; });
  std::vector<Point> held_out;
  for (const EvaluationRecord& record : history.evaluations) {
    if (std::isfinite(record.loss)) held_out.push_back({static_cast<double>(record.tokens), record.loss});
  }
  const std::vector<Point> rate =
      StepPoints(history, [](const StepRecord& step) { return step.learning_rate; });
  const std::vector<Point> speed =
      StepPoints(history, [](const StepRecord& step) { return step.tokens_per_second; });
  return {{.title = "loss over tokens",
           .curves = {{.color = "#1f77b4", .opacity = 0.25, .width = 1, .points = Thin(loss)},
                      {.name = "training", .color = "#1f77b4", .points = Thin(Smooth(loss))},
                      {.name = "held-out", .color = "#d62728", .width = 2, .points = Thin(held_out)}}},
          {.title = "learning rate", .curves = {{.color = "#2ca02c", .points = Thin(rate)}}},
          {.title = "tokens per second",
           .curves = {{.color = "#9467bd", .opacity = 0.3, .width = 1, .points = Thin(speed)},
                      {.color = "#9467bd", .points = Thin(Smooth(speed))}}}};
}

}  // namespace

std::string RunPlotSvg(const RunHistory& history) {
  const std::vector<PanelContent> panels = Contents(history);
  const double height = kPanelHeight * static_cast<double>(panels.size());
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      kWidth, height);
  Range x;
  if (!history.steps.empty()) x.high = std::max(1.0, static_cast<double>(history.steps.back().tokens));
  double offset = 0;
  for (const PanelContent& content : panels) {
    Panel panel(svg, offset, x, RangeOfY(content.curves));
    panel.Axes(content.title);
    for (const Curve& curve : content.curves) panel.Draw(curve);
    panel.Legend(content.curves);
    offset += kPanelHeight;
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace mimo
