// say.cpp - see say.h.

#include "say.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "logbits.h"

namespace {

bool bar_shown;
std::string program = "qmail-vrfy";

// All of it where it can be had: who closes standard error does not want to hear.
void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

constexpr unsigned long SAID_MAX = 10;
constexpr size_t KINDS_MAX = 100;  // further ones are counted together
const std::string OTHERS = "of other kinds";

constexpr char CLEAR[] = "\r\033[K";

}  // namespace

std::string vrfy_safe(std::string_view bytes) {
  constexpr size_t PIECE = (LOG_LINE_MAX - 1) / 4;  // however it is written
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(PIECE, bytes.size()))) {
    log_line line;
    log_begin(&line);
    log_putsafe(&line, bytes.data(), std::min(PIECE, bytes.size()));
    out.append(line.text, line.len);
  }
  return out;
}

std::string vrfy_safe_sentence(std::string_view sentence) {
  std::string out;
  for (const char c : sentence) out += c == ' ' || c == '\\' ? std::string(1, c) : vrfy_safe({&c, 1});
  return out;
}

void vrfy_say_as(std::string_view name) { program = name; }

void vrfy_say(std::string_view sentence) {
  std::string line = bar_shown ? CLEAR : "";
  bar_shown = false;
  write_all(line.append(program).append(": ").append(sentence).append("\n"));
}

void vrfy_say_errno(std::string_view what, int error) {
  vrfy_say(std::string(what).append(": ").append(strerror(error)));
}

void vrfy_many::say(const std::string &who, const std::string &kind) {
  const std::string &key = count_.size() < KINDS_MAX || count_.count(kind) ? kind : OTHERS;
  if (++count_[key] <= SAID_MAX) vrfy_say(who + ": " + kind);
}

void vrfy_many::end() {
  for (const auto &[kind, count] : count_)
    if (count > SAID_MAX) vrfy_say(std::to_string(count - SAID_MAX) + " more: " + kind);
  count_.clear();
}

void vrfy_bar(std::string_view text) {
  if (text.empty() && !bar_shown) return;
  bar_shown = !text.empty();
  write_all(std::string(CLEAR).append(text));
}
