// output.cpp - see output.h.

#include "output.h"

#include <unistd.h>

#include <cerrno>

#include "options.h"
#include "say.h"

namespace {
constexpr size_t ENOUGH = 65536;
}

void vrfy_output::put(std::string_view text) {
  held_ += text;
  if (held_.size() >= ENOUGH) flush();
}

void vrfy_output::flush() {
  std::string_view rest = held_;
  if (!rest.empty() && !failed_) vrfy_bar("");
  while (!rest.empty() && !failed_) {
    const ssize_t n = write(STDOUT_FILENO, rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      vrfy_say_errno("cannot write to standard output", errno);
      failed_ = true;
    }
  }
  held_.clear();
}

int vrfy_output::end() {
  flush();
  return failed_ ? VRFY_TROUBLE : 0;
}
