// log.cpp - see log.h.

#include "log.h"

namespace {

constexpr char PREFIX[] = "qmail-verify-gate: ";
constexpr long long RARELY_MS = 60000;
constexpr size_t SAID_MAX = 1000;

}  // namespace

std::string gate_safe(std::string_view bytes) {
  log_line line;
  log_begin(&line);
  log_putsafe(&line, bytes.data(), bytes.size());
  return {line.text, line.len};
}

std::string gate_safe_sentence(std::string_view sentence) {
  std::string safe;
  for (const char c : sentence) safe += c == ' ' ? std::string(" ") : gate_safe({&c, 1});
  return safe;
}

void gate_log::say(std::string_view sentence) {
  log_line line;
  log_begin(&line);
  log_puts(&line, PREFIX);
  log_putb(&line, sentence.data(), sentence.size());
  log_puts(&line, ".");
  log_write(&line, 2, &state_, PREFIX);
}

void gate_log::say_rarely(const std::string &sentence, long long now_ms) {
  std::erase_if(said_, [&](const auto &one) { return now_ms - one.second >= RARELY_MS; });
  if (said_.size() < SAID_MAX && said_.try_emplace(sentence, now_ms).second) say(sentence);
}
