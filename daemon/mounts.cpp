// mounts.cpp - see mounts.h; proc(5) has mountinfo.

#include "mounts.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "qmail/fd.h"

namespace {

std::string_view next_word(std::string_view &line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

// \040 and its like.
std::string unescaped(std::string_view text) {
  std::string out;
  const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_network(std::string_view type) {
  static constexpr std::array types{"nfs", "nfs4", "cifs", "smb3", "smbfs", "autofs", "afs", "ceph", "9p", "glusterfs",
                                    "lustre", "gfs2", "ocfs2", "coda", "virtiofs"};
  return type.starts_with("fuse") || std::find(types.begin(), types.end(), type) != types.end();
}

}  // namespace

std::vector<mount_point> mounts_read(std::string_view mountinfo) {
  std::vector<mount_point> mounts;
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    for (int i = 0; i < 4; ++i) next_word(line);
    const std::string_view dir = next_word(line);
    const size_t dash = line.find(" - ");
    if (dir.empty() || dash == line.npos) continue;
    line.remove_prefix(dash + 3);
    mounts.push_back({unescaped(dir), is_network(next_word(line))});
  }
  return mounts;
}

std::vector<mount_point> mounts_now() {
  const unique_fd fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd || fd_slurp(fd.get(), text, [](auto) { return false; }) != 0) return {};
  return mounts_read(text);
}

std::string mounts_place(const std::vector<mount_point> &mounts, const std::string &path) {
  std::string place;
  for (const mount_point &m : mounts) {
    const bool holds = path.starts_with(m.dir) && (path.size() == m.dir.size() || path[m.dir.size()] == '/');
    if (m.network && holds && m.dir.size() > place.size()) place = m.dir;
  }
  return place.empty() ? path : place;
}

std::string mounts_common(const std::string &a, const std::string &b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return {};
  return a.substr(0, a.rfind('/', static_cast<size_t>(x - a.begin())));
}
