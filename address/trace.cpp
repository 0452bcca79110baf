// trace.cpp - see trace.h.

#include "trace.h"

#include <cstdio>
#include <cstring>

namespace {

struct words {
  const char *step, *found, *sentence;
};

constexpr words WORDS[] = {
#define TRACE_X(symbol, step, found, sentence) {step, found, sentence},
    ADDRESS_STEPS(TRACE_X)
#undef TRACE_X
};

std::string error_words(int error) {
  if (error == 0) return {};
  return std::string(": ") + (error == EBADMSG ? "damaged" : strerror(error));
}

// What a letter of a sentence stands for.
std::string piece(char letter, const trace_seen &seen) {
  switch (letter) {
    case 'f': return trace_shown(seen.file);
    case 'l': return seen.line ? " line " + std::to_string(seen.line) : std::string();
    case 'n': return trace_shown(seen.name);
    case 'd': return trace_shown(seen.detail);
    case 'e': return error_words(seen.error);
    default: return {};
  }
}

std::string sentence(std::string_view pattern, const trace_seen &seen) {
  std::string out;
  for (size_t at = 0; at < pattern.size(); ++at)
    if (pattern[at] == '%' && at + 1 < pattern.size())
      out += piece(pattern[++at], seen);
    else
      out += pattern[at];
  return out;
}

}  // namespace

void trace::step(trace_step what, const trace_seen &seen) {
  const words &w = WORDS[static_cast<size_t>(what)];
  const std::string file(seen.file), name(seen.name), text = sentence(w.sentence, seen);
  const address_step step = {w.step,     w.found,    file.c_str(), seen.line, name.c_str(),
                             name.size(), seen.error, text.c_str(), depth_};
  told_(ctx_, &step);
}

std::string trace_shown(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    char hex[8];
    if (c == '\\')
      out += "\\\\";
    else if (c >= ' ' && c <= '~')
      out += c;
    else if (snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c))) > 0)
      out += hex;
  }
  return out;
}

std::string trace_ids(uid_t uid, gid_t gid) {
  return "uid " + std::to_string(uid) + ", gid " + std::to_string(gid);
}

std::string trace_mode(mode_t mode) {
  char octal[16];
  snprintf(octal, sizeof octal, "%04o", static_cast<unsigned>(mode & 07777));
  return octal;
}
