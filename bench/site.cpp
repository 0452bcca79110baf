// site.cpp - makes a mail host of any size below a directory, in seconds.
//
//   site DIRECTORY passwd=N cdb=M domains=D files=K vpopmail=U
//
// DIRECTORY must be there, and empty; meant for a tmpfs, and for root, who alone can
// give homes to their owners. It gets:
//
//   etc/passwd, group, nsswitch.conf   to be mounted over this host's: N users u0, u1 ...,
//                                      and those that qmail's installation makes;
//                                      nsswitch.conf as Debian 12 has it
//   home/uI                            the home of passwd user uI, empty
//   qmail/control, alias, users/cdb    the qmail directory; local.example is local
//   =cJ in users/cdb                   M names; name J has the home of user J modulo N
//   domain/I with .qmail-x             the home of domain dI.example, with an owner of
//                                      its own; with .qmail-default too where I is odd,
//                                      so that only in even ones anything is missing
//   many with .qmail-f0, .qmail-f1 ... the home of many.example: K files, no default
//   vpopmail/...                       vp.example: U users v0, v1 ... in vpasswd.cdb, all
//                                      other names refused (bounce-no-mailbox)
//
// Exits 100 when called wrongly, 111 when something cannot be made.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/fake_site.h"

namespace {

constexpr uid_t USER_FIRST = 100000, DOMAIN_FIRST = 20000000;
constexpr uid_t ALIAS = 7790, QMAILD = 7791, QMAILP = 7792, VPOPMAIL = 7793, MANY = 7794;
constexpr gid_t NOFILES = 7799;

using records = std::vector<std::pair<std::string, std::string>>;

struct sizes {
  unsigned long passwd = 0, cdb = 0, domains = 0, files = 0, vpopmail = 0;
};

// ---- the file system; what cannot be made ends it

[[noreturn]] void die(const std::string &path) {
  perror(("site: " + path).c_str());
  exit(111);
}

void directory(const std::string &path, uid_t owner = 0) {
  if (mkdir(path.c_str(), 0755) == -1 || (owner && chown(path.c_str(), owner, owner) == -1)) die(path);
}

void file(const std::string &path, std::string_view content, uid_t owner = 0, mode_t mode = 0644) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd == -1 || (owner && fchown(fd, owner, owner) == -1)) die(path);
  for (size_t done = 0; done < content.size();) {
    const ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n <= 0) die(path);
    done += static_cast<size_t>(n);
  }
  if (close(fd) == -1) die(path);
}

// ---- records

std::string number(unsigned long n) { return std::to_string(n); }

// A line of passwd.
std::string user(const std::string &name, uid_t uid, const std::string &home) {
  return name + ":x:" + number(uid) + ":" + number(uid) + "::" + home + ":/bin/false\n";
}

// A record's data in users/cdb: the fields of users/assign behind the name.
std::string assignment(const std::string &name, uid_t uid, const std::string &home, std::string_view dash) {
  std::string data = name;
  for (const std::string &field : {number(uid), number(uid), home}) data += '\0' + field;
  return data + '\0' + std::string(dash) + '\0';
}

// ---- the host, part by part

class maker {
 public:
  maker(std::string where, const sizes &how_many) : base(std::move(where)), n(how_many) {
    umask(022);
    assigned.reserve(n.cdb + n.domains + 3);
  }

  void make() {
    passwd();
    names();
    domains();
    many();
    vpopmail();
    control();
    users_cdb();
  }

 private:
  void passwd() {
    std::string text = "root:x:0:0::/root:/bin/sh\n";
    text += user("alias", ALIAS, base + "/qmail/alias") + user("qmaild", QMAILD, base + "/qmail");
    text += user("qmailp", QMAILP, base + "/qmail");
    directory(base + "/home");
    for (unsigned long i = 0; i < n.passwd; ++i) {
      directory(home(i), owner(i));
      text += user("u" + number(i), owner(i), home(i));
    }
    directory(base + "/etc");
    file(base + "/etc/passwd", text);
    file(base + "/etc/group", "root:x:0:\nqmail:x:7798:\nnofiles:x:" + number(NOFILES) + ":\n");
    file(base + "/etc/nsswitch.conf",
         "passwd:         files systemd\ngroup:          files systemd\nshadow:         files systemd\n"
         "gshadow:        files systemd\n\nhosts:          files dns\nnetworks:       files\n");
  }

  void names() {
    for (unsigned long j = 0; j < n.cdb && n.passwd; ++j) {
      const unsigned long i = j % n.passwd;
      std::string key = "!c" + number(j);
      key += '\0';
      assigned.emplace_back(std::move(key), assignment("u" + number(i), owner(i), home(i), ""));
    }
  }

  void domains() {
    directory(base + "/domain");
    for (unsigned long i = 0; i < n.domains; ++i) {
      const std::string name = "d" + number(i), place = base + "/domain/" + number(i);
      const uid_t uid = DOMAIN_FIRST + static_cast<uid_t>(i);
      directory(place, uid);
      file(place + "/.qmail-x", "./Maildir/\n", uid);
      if (i % 2) file(place + "/.qmail-default", "./Maildir/\n", uid);
      domain(name, name + ".example", uid, place);
    }
  }

  void many() {
    const std::string place = base + "/many";
    directory(place, MANY);
    for (unsigned long i = 0; i < n.files; ++i) file(place + "/.qmail-f" + number(i), "./Maildir/\n", MANY);
    domain("many", "many.example", MANY, place);
  }

  // As vadddomain leaves it. The program is never run, only looked at.
  void vpopmail() {
    const std::string root = base + "/vpopmail", place = root + "/domains/vp.example";
    for (const std::string &path : {root, root + "/bin", root + "/domains", place}) directory(path, VPOPMAIL);
    file(root + "/bin/vdelivermail", std::string_view("\x7f" "ELF"), VPOPMAIL, 0755);
    file(place + "/.qmail-default", "| " + root + "/bin/vdelivermail '' bounce-no-mailbox\n", VPOPMAIL, 0600);
    records users;
    users.reserve(n.vpopmail);
    for (unsigned long i = 0; i < n.vpopmail; ++i) {
      const std::string name = "v" + number(i), own = place + "/" + name;
      directory(own, VPOPMAIL);
      users.emplace_back(name, "$6$not.a.hash:1:0:" + name + ":" + own + ":NOQUOTA");
    }
    file(place + "/vpasswd.cdb", fake_cdb(users), VPOPMAIL);
    domain("vp.example", "vp.example", VPOPMAIL, place);
  }

  void control() {
    const std::string place = base + "/qmail";
    for (const char *name : {"", "/control", "/users"}) directory(place + name);
    directory(place + "/alias", ALIAS);
    file(place + "/alias/.qmail-postmaster", "./Maildir/\n", ALIAS);
    file(place + "/control/me", "mail.local.example\n");
    file(place + "/control/locals", "local.example\n");
    file(place + "/control/virtualdomains", virtualdomains);
  }

  void users_cdb() {
    assigned.emplace_back("", "-");
    file(base + "/qmail/users/cdb", fake_cdb(assigned));
  }

  // A virtual domain whose mail goes to name, and name's home.
  void domain(const std::string &name, const std::string &domain, uid_t uid, const std::string &place) {
    virtualdomains += domain + ":" + name + "\n";
    assigned.emplace_back("!" + name + "-", assignment(name, uid, place, "-"));
  }

  std::string home(unsigned long i) const { return base + "/home/u" + number(i); }
  static uid_t owner(unsigned long i) { return USER_FIRST + static_cast<uid_t>(i); }

  const std::string base;
  const sizes n;
  records assigned;
  std::string virtualdomains;
};

// ---- the command line

bool read_size(std::string_view argument, sizes &n) {
  const std::pair<std::string_view, unsigned long *> known[] = {
      {"passwd=", &n.passwd}, {"cdb=", &n.cdb}, {"domains=", &n.domains}, {"files=", &n.files}, {"vpopmail=", &n.vpopmail}};
  for (auto &[name, value] : known) {
    if (!argument.starts_with(name)) continue;
    char *end;
    *value = strtoul(argument.data() + name.size(), &end, 10);
    return *end == '\0' && *value <= 10000000;
  }
  return false;
}

}  // namespace

int main(int argc, char **argv) {
  sizes n;
  bool right = argc > 1;
  for (int i = 2; i < argc; ++i) right = right && read_size(argv[i], n);
  if (!right) {
    fputs("usage: site DIRECTORY passwd=N cdb=M domains=D files=K vpopmail=U\n", stderr);
    return 100;
  }
  maker(argv[1], n).make();
  return 0;
}
