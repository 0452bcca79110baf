// control.cpp - see control.h. Follows control.c, getln.c and constmap.c.

#include "control.h"

#include <cerrno>
#include <unistd.h>

#include "fd.h"
#include "text.h"

namespace {

// More than any host's virtualdomains by orders of magnitude; what is larger is
// a mistake (a log, a device) and must not take the memory of the machine.
constexpr size_t FILE_MAX_BYTES = size_t{256} << 20;

// Reads fd to its end, or to the block that ends its first line. 0, or errno.
int slurp(int fd, bool one_line, std::string &text) {
  const int error = fd_slurp(fd, text, [&](std::string_view piece) {
    return (one_line && piece.find('\n') != piece.npos) || text.size() > FILE_MAX_BYTES;
  });
  if (error == 0 && text.size() > FILE_MAX_BYTES) return EFBIG;
  return error;
}

control_text read_file(int dir, const char *path, bool one_line) {
  control_text out;
  unique_fd fd(openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    out.error = errno;
    out.look = out.error == ENOENT ? Look::absent : Look::failed;
    return out;
  }
  out.error = slurp(fd.get(), one_line, out.text);
  out.look = out.error == 0 ? Look::found : Look::failed;
  if (out.look == Look::failed) out.text.clear();
  return out;
}

// control_readfile's lines: those that are neither empty nor comments.
template <class Take>
void each_line(std::string_view file, Take take) {
  for (unsigned number = 1; !file.empty(); ++number) {
    const std::string_view line = text_line(file);
    if (!line.empty() && line.front() != '\0' && line.front() != '#') take(line, number);
  }
}

// constmap's entry: its name, and its value where the form has one. False: it does not
// count.
bool split(std::string_view entry, control_form form, std::string_view &name, std::string_view &value) {
  name = entry;
  value = {};
  if (form == control_form::names) return true;
  const size_t at = entry.find(':');
  if (at == entry.npos) return false;
  name = entry.substr(0, at);
  value = entry.substr(at + 1);
  return true;
}

}  // namespace

std::string control_parseline(std::string_view file) {
  return std::string(text_line(file));
}

std::string control_parsefile(std::string_view file) {
  std::string entries;
  each_line(file, [&](std::string_view line, unsigned) {
    entries.append(line);
    entries.push_back('\0');
  });
  return entries;
}

std::vector<control_line> control_lines(std::string_view file) {
  std::vector<control_line> lines;
  each_line(file, [&](std::string_view line, unsigned number) { lines.push_back({number, line}); });
  return lines;
}

unsigned control_line_of(std::string_view file, std::string_view name, control_form form) {
  unsigned last = 0;
  each_line(file, [&](std::string_view line, unsigned number) {
    // a NUL within the line makes two entries of it
    for (size_t end = 0; end != line.npos; line.remove_prefix(end == line.npos ? 0 : end + 1)) {
      end = line.find('\0');
      std::string_view key, value;
      if (split(line.substr(0, end), form, key, value) && text_equal(key, name)) last = number;
    }
  });
  return last;
}

control_text control_slurp(const char *path, int dir) { return read_file(dir, path, false); }

control_text control_readline(const char *path, int dir) {
  control_text out = read_file(dir, path, true);
  if (out.look == Look::found) out.text = control_parseline(out.text);
  return out;
}

control_text control_readfile(const char *path, int dir) {
  control_text out = read_file(dir, path, false);
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

control_number control_readint(const char *path, int dir) {
  control_text line = control_readline(path, dir);
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
    std::string_view name, value;
    if (split(entry, form, name, value)) entries_.insert_or_assign(std::string(name), std::string(value));
  }
}

std::optional<std::string_view> control_map::find(std::string_view name) const {
  auto it = entries_.find(name);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}
