// mounts.cpp - see mounts.h; proc(5) has mountinfo.

#include "mounts.h"

#include <climits>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "qmail/fd.h"

namespace {

constexpr int LINKS_MAX = 32;

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

const mount_point *mounted_at(const std::vector<mount_point> &mounts, const std::string &dir) {
  // the last one lies on top
  const auto at = std::find_if(mounts.rbegin(), mounts.rend(), [&](const mount_point &m) { return m.dir == dir; });
  return at == mounts.rend() ? nullptr : &*at;
}

// Where this link leads, its rest behind it; empty where it is none.
std::string through_link(const std::string &dir, const std::string &path, const std::string &rest) {
  char to[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), to, sizeof to);
  if (n <= 0) return {};
  std::string led(to, static_cast<size_t>(n));
  if (led.front() != '/') led = dir + "/" + led;
  return led + "/" + rest;
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
  std::string dir, rest = path, place;  // dir has been walked, rest has not
  for (int links = 0; !rest.empty();) {
    if (rest.front() == '/') {
      rest.erase(0, 1);
      continue;
    }
    const std::string name = rest.substr(0, rest.find('/'));
    rest.erase(0, std::min(name.size() + 1, rest.size()));
    if (name == ".") continue;
    if (name == "..") {
      dir.erase(std::min(dir.rfind('/'), dir.size()));
      continue;
    }
    const std::string here = dir + "/" + name;
    if (const mount_point *mount = mounted_at(mounts, here)) {
      place = here;
      if (mount->network) return place;
    } else if (!rest.empty() && place.empty()) {
      const std::string led = links < LINKS_MAX ? through_link(dir, here, rest) : std::string();
      if (!led.empty()) {
        ++links;
        dir.clear();
        place.clear();
        rest = led;
        continue;
      }
    }
    dir = here;
  }
  return place.empty() ? path : place;
}
