// plot.cpp - see plot.h.

#include "plot.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "period.h"
#include "view.h"

namespace {

// In the units of the drawing.
constexpr double WIDTH = 960, HEIGHT = 270, LEFT = 78, RIGHT = 26, TOP = 12, BOTTOM = 56;
constexpr double PLOT_WIDTH = WIDTH - LEFT - RIGHT, PLOT_HEIGHT = HEIGHT - TOP - BOTTOM, BAR_MAX = 36;
constexpr unsigned STEPS = 5;
constexpr size_t TICKS_MAX = 14;

template <class... Values>
std::string form(const char *format, Values... values) {
  char text[512];
  snprintf(text, sizeof text, format, values...);
  return text;
}

struct frame {
  long long begin, end;       // seconds
  unsigned long long top;     // the number at the upper edge

  double x(long long at) const {
    return LEFT + PLOT_WIDTH * static_cast<double>(at - begin) / static_cast<double>(end - begin);
  }
  double y(unsigned long long n) const {
    return TOP + PLOT_HEIGHT * (1 - static_cast<double>(n) / static_cast<double>(top));
  }
};

unsigned long long height(const report_sums &sums, const std::vector<report_layer> &layers) {
  unsigned long long n = 0;
  for (const report_layer &layer : layers) n += layer.number(sums);
  return n;
}

std::string text_at(double x, double y, const char *anchor, const std::string &words) {
  return form("<text x='%.1f' y='%.1f' text-anchor='%s'>", x, y, anchor) + words + "</text>\n";
}

std::string line_of(const char *style, double x1, double x2, double y1, double y2) {
  return form("<line class='%s' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>\n", style, x1, x2, y1, y2);
}

std::string vertical_axis(const frame &f, unsigned long long step, const std::string &title) {
  std::string out;
  for (unsigned long long n = 0; n <= f.top; n += step) {
    out += line_of("grid", LEFT, WIDTH - RIGHT, f.y(n), f.y(n));
    out += text_at(LEFT - 8, f.y(n) + 4, "end", report_number(n));
  }
  const double middle = TOP + PLOT_HEIGHT / 2;
  return out + form("<text class='title' transform='translate(14 %.1f) rotate(-90)' text-anchor='middle'>", middle) +
         title + "</text>\n";
}

// The step between times that are written.
long long time_step(const frame &f) {
  constexpr long long HOUR = 3600, DAY = 24 * HOUR;
  constexpr long long STEP[] = {60,        300,      900,     1800,    HOUR,    2 * HOUR, 3 * HOUR,
                                6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY};
  const long long least = (f.end - f.begin) / static_cast<long long>(TICKS_MAX);
  const auto enough = std::lower_bound(std::begin(STEP), std::end(STEP), least);
  if (enough != std::end(STEP)) return *enough;
  long long step = 56 * DAY;
  while (step < least) step *= 2;
  return step;
}

// Times below the plot: the hour, and the day below the first of its hours.
std::string horizontal_axis(const frame &f) {
  const long long step = time_step(f), offset = report_time_offset(f.begin);
  const bool days = step >= 86400;
  const double line = HEIGHT - BOTTOM + 18;
  std::string out, day_before, year_before;
  long long at = (f.begin + offset + step - 1) / step * step - offset;
  for (; at <= f.end; at += step) {
    // where summer time begins or ends, the hour is moved
    const long long moved = days ? at - (report_time_offset(at) - offset) : at;
    const double x = f.x(std::clamp(moved, f.begin, f.end));
    const std::string day = report_time_format(moved, "%e %b"), year = report_time_format(moved, "%Y");
    out += line_of("tick", x, x, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 5);
    out += text_at(x, line, "middle", days ? day : report_time_format(moved, "%H:%M"));
    if (!days && day != day_before)
      out += text_at(x, line + 14, "middle", day + (day_before.empty() ? ' ' + year : ""));
    if (days && year != year_before) out += text_at(x, line + 14, "middle", year);
    day_before = day;
    year_before = year;
  }
  return out + text_at(WIDTH - RIGHT, HEIGHT - 4, "end", "local time (" + report_time_format(f.end, "%Z") + ")");
}

// The numbers of a bar, for the pointer.
std::string tip(long long begin, long long width, const report_sums &sums, const std::vector<report_layer> &layers) {
  std::string out = report_time_format(begin, "%Y-%m-%d %H:%M") + " to " +
                    report_time_format(begin + width, width < 86400 ? "%H:%M" : "%Y-%m-%d %H:%M");
  for (const report_layer &layer : layers) out += "\n" + report_number(layer.number(sums)) + ' ' + layer.title;
  return "<title>" + out + "</title>";
}

std::string rect_of(const char *style, double x, double y, double width, double high) {
  return form("<rect class='%s' x='%.2f' y='%.2f' width='%.2f' height='%.2f'/>", style, x, y, width, high);
}

std::string bar(const frame &f, long long begin, long long width, const report_sums &sums,
                const std::vector<report_layer> &layers) {
  double left = f.x(begin), wide = f.x(begin + width) - left;
  const double shown = std::min(wide > 4 ? wide - 1 : wide, BAR_MAX);
  // the whole height answers to the pointer, also over a bar that is hardly to be seen
  std::string out = "<g>" + tip(begin, width, sums, layers) +
                    rect_of("over", left, TOP, wide, PLOT_HEIGHT);
  left += (wide - shown) / 2;
  unsigned long long below = 0;
  for (const report_layer &layer : layers) {
    const unsigned long long n = layer.number(sums);
    if (!n) continue;
    out += rect_of(layer.style.c_str(), left, f.y(below + n), shown, f.y(below) - f.y(below + n));
    below += n;
  }
  return out + "</g>\n";
}

}  // namespace

std::string report_width_text(long long seconds) {
  constexpr struct {
    long long seconds;
    const char *one, *many;
  } units[] = {{604800, "week", " weeks"},
               {86400, "day", " days"},
               {3600, "hour", " hours"},
               {60, "minute", " minutes"}};
  for (const auto &u : units)
    if (seconds % u.seconds == 0) return seconds == u.seconds ? u.one : std::to_string(seconds / u.seconds) + u.many;
  return std::to_string(seconds) + " seconds";
}

unsigned long long report_axis_step(unsigned long long most) {
  for (unsigned long long power = 1;; power *= 10)
    for (const unsigned long long step : {power, 2 * power, 5 * power})
      if (step >= 1000000000000000000ull || step * STEPS >= most) return step;
}

std::string report_plot(const report_series &series, const std::vector<report_layer> &layers,
                        const std::string &things) {
  unsigned long long most = 0;
  for (const auto &[begin, sums] : series.pieces()) most = std::max(most, height(sums, layers));
  if (!most) return "";
  const unsigned long long step = report_axis_step(most);
  const long long width = series.width();
  frame f{series.pieces().begin()->first, std::prev(series.pieces().end())->first + width,
          (most + step - 1) / step * step};
  // of one short moment: some room around it
  for (; f.end - f.begin < 8 * width; f.end += width) f.begin -= width;
  const std::string title = things + " per " + report_width_text(width);
  std::string out = form("<svg viewBox='0 0 %.0f %.0f' role='img' aria-label='", WIDTH, HEIGHT) + title + "'>\n" +
                    vertical_axis(f, step, title) + horizontal_axis(f);
  for (const auto &[begin, sums] : series.pieces())
    if (height(sums, layers)) out += bar(f, begin, width, sums, layers);
  return out + line_of("axis", LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM) + "</svg>\n";
}
