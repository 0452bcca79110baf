// progress.cpp - see progress.h.

#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "say.h"
#include "sockbits.h"

namespace {

constexpr long long EVERY_MS = 200, FIRST_MS = 300;
constexpr unsigned BAR = 24;  // characters

unsigned terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

std::string duration(long long seconds) {
  char text[64];
  if (seconds >= 3600)
    snprintf(text, sizeof text, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
  else
    snprintf(text, sizeof text, "%lld:%02lld", seconds / 60, seconds % 60);
  return text;
}

}  // namespace

std::string vrfy_progress_text(unsigned long count, long long ms, long long done, long long total,
                               unsigned columns, const char *things) {
  std::string out;
  done = std::min(done, total);
  if (total > 0) {
    const auto full = static_cast<size_t>(BAR * done / total);
    out = '[' + std::string(full, '#') + std::string(BAR - full, '.') + "] " + std::to_string(100 * done / total) + "% ";
  }
  out += std::to_string(count) + ' ' + things;
  if (ms > 0) out += ", " + std::to_string(static_cast<long long>(count) * 1000 / ms) + "/s";
  if (total > 0 && done > 0) out += ", " + duration((ms * (total - done) / done + 999) / 1000) + " left";
  return out.substr(0, columns ? columns - 1 : 0);
}

vrfy_progress::vrfy_progress(const char *things)
    : things_(things), wanted_(isatty(STDERR_FILENO)), begin_ms_(sockbits_now_ms()), next_ms_(begin_ms_ + FIRST_MS) {}

long long vrfy_progress::ms() const { return sockbits_now_ms() - begin_ms_; }

void vrfy_progress::show(unsigned long count, long long done, long long total) {
  if (!wanted_) return;
  const long long now = sockbits_now_ms();
  if (now < next_ms_) return;
  next_ms_ = now + EVERY_MS;
  vrfy_bar(vrfy_progress_text(count, now - begin_ms_, done, total, terminal_columns(), things_));
}

void vrfy_progress::end() { vrfy_bar(""); }
