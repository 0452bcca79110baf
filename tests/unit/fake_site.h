// fake_site.h - a host of a test's own, behind the same door as the real one.
//
// Files are a map; any path can be given an errno instead; what was looked at,
// and as whom, is recorded.

#ifndef TESTS_FAKE_SITE_H
#define TESTS_FAKE_SITE_H

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "address/site.h"
#include "address/user.h"

// The bytes of a cdb with these records, in order.
std::string fake_cdb(const std::vector<std::pair<std::string, std::string>> &records);

// A descriptor open for reading on these bytes.
unique_fd fake_fd(const std::string &content);

// A users/assign text as qmail-newu compiles it.
std::string fake_users_cdb(const std::string &assign);

struct fake_file {
  std::string content;
  mode_t mode = S_IFREG | 0644;
  int error = 0;
  bool too_large = false;
};

class fake_site final : public site {
 public:
  std::map<std::string, fake_file> controls;          // NAME below control/
  std::map<std::string, site_passwd> users;           // passwd
  std::map<std::string, int> passwd_errors;           // name -> errno
  std::map<std::string, uid_t> owners;                // home -> owner
  std::map<std::string, int> owner_errors;            // home -> errno, which may be a passing over
  std::map<std::string, fake_file> files;             // absolute path -> dot-qmail file or error
  std::map<std::string, int> home_errors;             // home -> errno of entering it
  std::map<std::string, mode_t> home_modes;           // home -> mode (default 0755)
  std::set<uid_t> unbecomable;
  std::map<std::string, fake_file> data;              // path as opened -> what a program would read, or error
  std::set<std::string> programs;                     // full paths that may be run
  std::set<std::string> scripts;                      // those that are no binaries
  std::set<std::string> own;                          // those that the user who asks owns
  std::set<std::string> directories;                  // full paths, as far as a test asks for them
  std::set<std::string> read_only;                    // what a user may not write to
  std::string cdb_bytes;
  int cdb_error = ENOENT;                             // 0: cdb_bytes
  long stamp = 0;                                     // changes with touch()
  std::vector<std::string> log;                       // "uid gid path" of each look into a home

  void set_users_cdb(const std::string &assign) {
    cdb_bytes = fake_users_cdb(assign);
    cdb_error = 0;
  }
  void add_user(const std::string &name, uid_t uid, const std::string &home) {
    users[name] = {name, uid, uid, home};
    owners[home] = uid;
  }
  std::function<void()> when_read;  // called when a control file has been read
  void set_control(const std::string &name, const std::string &text) {
    controls[name] = {text, S_IFREG | 0644, 0, false};
    stamps_[name] = ++stamp;
  }
  void break_control(const std::string &name, int error) {
    controls[name] = {"", S_IFREG, error, false};
    stamps_[name] = ++stamp;
  }

  control_text control(const char *name) override {
    control_text out;
    auto it = controls.find(name);
    if (it == controls.end()) return out;
    out.error = it->second.error;
    out.look = out.error ? Look::failed : Look::found;
    out.text = it->second.content;
    if (const auto then = when_read) then();
    return out;
  }
  site_stamp control_stamp(const char *name) override {
    site_stamp s;
    auto it = stamps_.find(name);
    if (it == stamps_.end())
      s.error = ENOENT;
    else
      s.size = it->second;
    return s;
  }
  Look users_cdb(const cdb *&db, int &error) override {
    error = cdb_error;
    if (error) return error == ENOENT ? Look::absent : Look::failed;
    cdb_.adopt(fake_fd(cdb_bytes));
    db = &cdb_;
    return Look::found;
  }
  Look passwd(const std::string &name, site_passwd &entry, int &error) override {
    asked.push_back(name);
    if (auto e = passwd_errors.find(name); e != passwd_errors.end()) {
      error = e->second;
      return Look::failed;
    }
    auto it = users.find(name);
    if (it == users.end()) return Look::absent;
    entry = it->second;
    return Look::found;
  }
  Look home_owner(const site_passwd &entry, uid_t &owner, int &error) override {
    if (auto e = owner_errors.find(entry.home); e != owner_errors.end()) {
      error = e->second;
      return site_absent(error) || error == EACCES || error == EPERM ? Look::absent : Look::failed;
    }
    auto it = owners.find(entry.home);
    if (it == owners.end()) return Look::absent;
    owner = it->second;
    return Look::found;
  }
  std::unique_ptr<site_visit> become(uid_t uid, gid_t gid, int &error) override;

  std::vector<std::string> asked;  // passwd names, in order

 private:
  std::map<std::string, long> stamps_;
  cdb cdb_;
};

#endif
