// log.cpp - see log.h.

#include "log.h"

#include <unistd.h>

#include <algorithm>

namespace {

// The patch's delimiters are the colon and the angle brackets.
bool is_clean(char c) { return c >= ' ' && c <= '~' && c != ':' && c != '<' && c != '>'; }

}  // namespace

session_log::session_log(int fd, std::string_view program) : fd_(fd), program_(program) { prefix("(not yet set)"); }

void session_log::prefix(std::string_view ip) {
  prefix_.assign(program_).append(": pid ").append(std::to_string(getpid())).append(" from ");
  prefix_.append(ip.substr(0, 256)).append(": ");
  verify_ = prefix_ + "verify: ";
}

// The colons of an IPv6 address stay; what would end the word does not.
void session_log::remote(std::string_view ip) {
  std::string shown(ip);
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c == ' ' || (!is_clean(c) && c != ':'); }, '_');
  prefix(shown);
}

session_log &session_log::line(std::string_view first) {
  log_begin(&line_);
  return text(prefix_).text(first);
}

session_log &session_log::verify(std::string_view first) {
  log_begin(&line_);
  return text(verify_).text(first);
}

session_log &session_log::text(std::string_view ours) {
  log_putb(&line_, ours.data(), ours.size());
  return *this;
}

session_log &session_log::number(unsigned long long n) {
  log_putnum(&line_, n);
  return *this;
}

session_log &session_log::clean(std::string_view foreign) {
  for (char c : foreign) {
    char shown = is_clean(c) ? c : '_';
    log_putb(&line_, &shown, 1);
  }
  return *this;
}

session_log &session_log::safe(std::string_view foreign) {
  log_putsafe(&line_, foreign.data(), foreign.size());
  return *this;
}

session_log &session_log::words(std::string_view sentence) {
  for (char c : sentence) {
    if (c == ' ')
      text(" ");
    else
      safe(std::string_view(&c, 1));
  }
  return *this;
}

void session_log::end() { log_write(&line_, fd_, &state_, verify_.c_str()); }

void session_log::say(std::string_view whole) { line(whole).end(); }
