// catchall.cpp - see catchall.h. Follows the line loop of qmail-local.c main().

#include "catchall.h"

#include <string_view>

#include "qmail/text.h"

qv_reason catchall_read(const dotqmail_result &found) {
  std::string_view text = found.file.content;
  if (found.file.too_large) return QV_REASON_DOTQMAIL_LARGE;
  if (text.empty()) return QV_REASON_DOTQMAIL_EMPTY;
  bool forward_only = found.forward_only;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view line = text_line(text);
    const char kind = line.empty() ? '\0' : line.front();
    if (first && kind == '\0') return QV_REASON_DOTQMAIL_BLANK;
    if (line == "+list") forward_only = true;
    if (kind != '.' && kind != '/' && kind != '|') continue;
    if (forward_only) return QV_REASON_DOTQMAIL_XBIT;
    if (kind == '|') return QV_REASON_PROGRAM;
  }
  return QV_REASON_DOTQMAIL;
}
