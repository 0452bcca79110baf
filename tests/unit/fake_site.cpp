// fake_site.cpp - see fake_site.h.

#include "fake_site.h"

#include <cstdint>
#include <cstdlib>

#include "qmail/text.h"

namespace {

std::string pack(uint32_t n) {
  std::string s;
  for (int i = 0; i < 4; ++i) s += static_cast<char>(n >> (8 * i));
  return s;
}

uint32_t hash_of(const std::string &key) {
  uint32_t h = 5381;
  for (char c : key) h = (h * 33) ^ static_cast<unsigned char>(c);
  return h;
}

class fake_visit final : public site_visit {
 public:
  fake_visit(fake_site &host, uid_t uid, gid_t gid)
      : host_(host), who_(std::to_string(uid) + " " + std::to_string(gid) + " ") {}

  int enter(const std::string &home) override {
    host_.log.push_back(who_ + home);
    home_ = home;
    auto it = host_.home_errors.find(home);
    return it == host_.home_errors.end() ? 0 : it->second;
  }
  int mode(mode_t &mode) override {
    auto it = host_.home_modes.find(home_);
    mode = S_IFDIR | (it == host_.home_modes.end() ? 0755 : it->second);
    return 0;
  }
  int open(const std::string &name, site_dotqmail &file) override {
    host_.log.push_back(who_ + home_ + "/" + name);
    auto it = host_.files.find(home_ + "/" + name);
    if (it == host_.files.end()) return ENOENT;
    if (it->second.error) return it->second.error;
    file = {};
    file.mode = it->second.mode;
    file.content = it->second.content;
    file.too_large = it->second.too_large;
    return 0;
  }

  int open_data(const std::string &path, unique_fd &fd) override {
    const std::string full = path.empty() || path[0] != '/' ? home_ + "/" + path : path;
    host_.log.push_back(who_ + full);
    auto it = host_.data.find(full);
    if (it == host_.data.end()) return ENOENT;
    if (it->second.error) return it->second.error;
    fd = fake_fd(it->second.content);
    return 0;
  }

  Runs runs(const std::string &path) override {
    if (host_.scripts.count(path)) return Runs::script;
    if (!host_.programs.count(path)) return Runs::nothing;
    return host_.own.count(path) ? Runs::own : Runs::binary;
  }

  bool present(const std::string &path) override { return host_.data.count(path) || host_.directories.count(path); }

  bool writable(const std::string &path) override { return !host_.read_only.count(path); }

  int names(const std::string &dir, const std::function<bool(const std::string &name)> &each) override {
    const auto home = host_.home_errors.find(dir);
    if (home != host_.home_errors.end() && home->second) return home->second;
    std::set<std::string> found;
    for (const auto *there : {&host_.files, &host_.data})
      for (const auto &[path, file] : *there)
        if (path.starts_with(dir + "/") && path.find('/', dir.size() + 1) == path.npos)
          found.insert(path.substr(dir.size() + 1));
    for (const std::string &name : found)
      if (!each(name)) break;
    return 0;
  }

  bool bare(const std::string &dir) override {
    const auto it = host_.programs.lower_bound(dir + "/");
    return it == host_.programs.end() || it->compare(0, dir.size() + 1, dir + "/") != 0;
  }

 private:
  fake_site &host_;
  std::string who_, home_;
};

}  // namespace

std::unique_ptr<site_visit> fake_site::become(uid_t uid, gid_t gid, int &error) {
  if (unbecomable.count(uid)) {
    error = EPERM;
    return nullptr;
  }
  return std::make_unique<fake_visit>(*this, uid, gid);
}

unique_fd fake_fd(const std::string &content) {
  unique_fd fd(memfd_create("fake", MFD_CLOEXEC));
  if (write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      lseek(fd.get(), 0, SEEK_SET) != 0)
    abort();
  return fd;
}

std::string fake_cdb(const std::vector<std::pair<std::string, std::string>> &records) {
  std::string body;
  std::vector<std::pair<uint32_t, uint32_t>> tables[256];
  for (auto &[key, data] : records) {
    const uint32_t h = hash_of(key);
    tables[h & 255].emplace_back(h, static_cast<uint32_t>(2048 + body.size()));
    body += pack(static_cast<uint32_t>(key.size())) + pack(static_cast<uint32_t>(data.size())) + key + data;
  }
  std::string header;
  for (auto &table : tables) {
    header += pack(static_cast<uint32_t>(2048 + body.size())) + pack(static_cast<uint32_t>(2 * table.size()));
    std::vector<std::pair<uint32_t, uint32_t>> slots(2 * table.size());
    for (auto &entry : table) {
      size_t at = (entry.first >> 8) % slots.size();
      while (slots[at].second) at = (at + 1) % slots.size();
      slots[at] = entry;
    }
    for (auto &[h, pos] : slots) body += pack(h) + pack(pos);
  }
  return header + body;
}

std::string fake_users_cdb(const std::string &assign) {
  std::vector<std::pair<std::string, std::string>> records;
  std::string wild, rest = assign;
  while (!rest.empty() && rest[0] != '.') {
    std::string line = rest.substr(0, rest.find('\n'));
    rest.erase(0, line.size() + 1);
    std::string name = line.substr(1, line.find(':') - 1), data = line.substr(line.find(':') + 1);
    data.erase(data.rfind(':'));
    for (char &c : data)
      if (c == ':') c = '\0';
    const bool exact = line[0] == '=';
    records.emplace_back("!" + text_lower(name) + (exact ? std::string(1, '\0') : ""), data);
    if (!exact && !name.empty() && wild.find(name.back()) == wild.npos) wild += name.back();
  }
  records.emplace_back("", wild);
  return fake_cdb(records);
}
