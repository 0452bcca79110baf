// lint_unix.cpp - see lint_unix.h. What is qmail's own is read with the rights of the
// caller; homes are behind site_unix, which enters them as their users.

#include "lint_unix.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "address/site_unix.h"
#include "conf.h"
#include "say.h"

namespace {

class host_unix final : public lint_host {
 public:
  host_unix() : site_(CONF_QMAILP, CONF_NOFILES, {}, false, true) { site_.begin(); }
  ~host_unix() override { site_.rest(); }

  site &looks() override { return site_; }
  void rest() override { site_.rest(); }

  control_text file(const std::string &path) override {
    site_.rest();
    return control_slurp(path.c_str());
  }

  int status(const std::string &path, struct stat &st) override {
    site_.rest();
    return stat(path.c_str(), &st) == 0 ? 0 : errno;
  }

  Look database(const std::string &path, cdb &db, int &error) override {
    site_.rest();
    return db.open(path.c_str(), error);
  }

  // What enumerates: the files do; a directory server only where it is set up to.
  int each_user(const std::function<void(const site_passwd &entry)> &visit) override {
    site_.rest();
    std::vector<site_passwd> all;  // looks of visit's own may ask for passwd, too
    setpwent();
    errno = 0;
    while (const struct passwd *pw = getpwent()) {
      all.push_back({pw->pw_name, pw->pw_uid, pw->pw_gid, pw->pw_dir});
      errno = 0;
    }
    const int error = errno == ENOENT ? 0 : errno;
    endpwent();
    for (const site_passwd &entry : all) visit(entry);
    return error;
  }

 private:
  site_unix site_;
};

}  // namespace

std::unique_ptr<lint_host> lint_unix_open(const vrfy_options &options) {
  if (chdir(options.qmail.c_str()) == 0) return std::make_unique<host_unix>();
  vrfy_say_errno("cannot enter the qmail directory " + vrfy_safe(options.qmail), errno);
  return nullptr;
}

lint_settings lint_unix_settings(const vrfy_options &options) {
  const char *hint = getenv("VERIFY_FASTFORWARDCDB");
  std::istringstream words(CONF_USERS);
  const std::vector<std::string> users{std::istream_iterator<std::string>(words), {}};
  return {{CONF_BREAK[0], CONF_PATRN, CONF_ALIAS, options.qmail, hint ? hint : ""},
          options.qmail,
          CONF_QMAILD,
          CONF_QMAILP,
          users.at(6),
          users.at(7)};
}
