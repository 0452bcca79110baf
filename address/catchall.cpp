// catchall.cpp - see catchall.h. Follows the line loop of qmail-local.c main().

#include "catchall.h"

#include <string_view>

namespace {

std::string_view next_line(std::string_view &text) {
  size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

}  // namespace

qv_reason catchall_read(const dotqmail_result &found) {
  std::string_view text = found.file.content;
  if (found.file.too_large) return QV_REASON_DOTQMAIL_LARGE;
  if (text.empty()) return QV_REASON_DOTQMAIL_EMPTY;
  bool forward_only = found.forward_only;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view line = next_line(text);
    const char kind = line.empty() ? '\0' : line.front();
    if (first && kind == '\0') return QV_REASON_DOTQMAIL_BLANK;
    if (line == "+list") forward_only = true;
    if (kind != '.' && kind != '/' && kind != '|') continue;
    if (forward_only) return QV_REASON_DOTQMAIL_XBIT;
    if (kind == '|') return QV_REASON_PROGRAM;
  }
  return QV_REASON_DOTQMAIL;
}
