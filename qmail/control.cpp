// control.cpp - see control.h. Follows control.c, getln.c and constmap.c.

#include "control.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "fd.h"
#include "text.h"

namespace {

// More than any host's virtualdomains by orders of magnitude; what is larger is
// a mistake (a log, a device) and must not take the memory of the machine.
constexpr size_t FILE_MAX_BYTES = size_t{256} << 20;

std::string_view strip(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

// Reads to the end of fd, at most limit bytes, or to the first newline.
bool slurp(int fd, bool one_line, std::string &text, int &error) {
  char buf[8192];
  for (;;) {
    ssize_t n = read(fd, buf, sizeof buf);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) {
      error = errno;
      return false;
    }
    if (n == 0) return true;
    std::string_view piece(buf, static_cast<size_t>(n));
    if (one_line && piece.find('\n') != piece.npos) {
      text.append(piece.substr(0, piece.find('\n') + 1));
      return true;
    }
    text.append(piece);
    if (text.size() > FILE_MAX_BYTES) {
      error = EFBIG;
      return false;
    }
  }
}

control_text read_file(const char *path, bool one_line) {
  control_text out;
  unique_fd fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    out.error = errno;
    out.look = out.error == ENOENT ? Look::absent : Look::failed;
    return out;
  }
  out.look = slurp(fd.get(), one_line, out.text, out.error) ? Look::found : Look::failed;
  if (out.look == Look::failed) out.text.clear();
  return out;
}

}  // namespace

std::string control_parseline(std::string_view file) {
  return std::string(strip(file.substr(0, file.find('\n'))));
}

std::string control_parsefile(std::string_view file) {
  std::string entries;
  while (!file.empty()) {
    size_t end = file.find('\n');
    std::string_view line = strip(file.substr(0, end));
    file.remove_prefix(end == file.npos ? file.size() : end + 1);
    if (line.empty() || line.front() == '\0' || line.front() == '#') continue;
    entries.append(line);
    entries.push_back('\0');
  }
  return entries;
}

control_text control_slurp(const char *path) { return read_file(path, false); }

control_text control_readline(const char *path) {
  control_text out = read_file(path, true);
  if (out.look == Look::found) out.text = control_parseline(out.text);
  return out;
}

control_text control_readfile(const char *path) {
  control_text out = read_file(path, false);
  if (out.look == Look::found) out.text = control_parsefile(out.text);
  return out;
}

size_t control_scan(std::string_view s, unsigned long &number) {
  size_t digits = 0;
  number = 0;
  for (; digits < s.size() && s[digits] >= '0' && s[digits] <= '9'; ++digits)
    number = number * 10 + static_cast<unsigned long>(s[digits] - '0');
  return digits;
}

control_number control_readint(const char *path) {
  control_text line = control_readline(path);
  control_number out;
  out.look = line.look;
  out.error = line.error;
  if (line.look == Look::found && control_scan(line.text, out.number) == 0) out.look = Look::absent;
  return out;
}

size_t control_map::hash::operator()(std::string_view s) const {
  size_t h = 5381;
  for (char c : s) h = (h * 33) ^ static_cast<unsigned char>(text_lower(c));
  return h;
}

bool control_map::same::operator()(std::string_view a, std::string_view b) const { return text_equal(a, b); }

control_map::control_map(std::string_view entries, Form form) {
  while (!entries.empty()) {
    size_t end = entries.find('\0');
    if (end == entries.npos) break;
    std::string_view entry = entries.substr(0, end);
    entries.remove_prefix(end + 1);
    std::string_view name = entry, value;
    if (form == Form::colon) {
      size_t at = entry.find(':');
      if (at == entry.npos) continue;
      name = entry.substr(0, at);
      value = entry.substr(at + 1);
    }
    entries_.insert_or_assign(std::string(name), std::string(value));
  }
}

std::optional<std::string_view> control_map::find(std::string_view name) const {
  auto it = entries_.find(name);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}
