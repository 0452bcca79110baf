// service.h - what the two service directories are made of, and for which host.

#ifndef CONF_SERVICE_H
#define CONF_SERVICE_H

#include <string>
#include <vector>

#include "tree.h"

// Where things are on the host: as set when building, but for tests.
struct conf_host {
  std::string qmail;    // the qmail directory
  std::string daemon;   // qmail-verify
  std::string smtpd;    // qmail-smtpd
  std::string qmaild;   // the user whose group the daemon's socket has
  std::string socket() const { return qmail + "/verify/socket"; }
};
conf_host conf_this_host();

// ---- the two programs: their arguments without the name; what to do next is returned,
// for standard output. They throw conf_failure; one without words: the usage.
std::string conf_verify(const conf_host &host, const std::vector<std::string> &arguments);
std::string conf_smtpd(const conf_host &host, const std::vector<std::string> &arguments);

// ---- what they share

// The entry of passwd; only names that stand for themselves in a script are taken.
conf_owner conf_account(const std::string &name);
// DIR: a full path with a name at its end, or it is misuse.
void conf_check_place(const std::string &place);
// A program that the run script will start is there: a service without it would only
// fill its log.
void conf_check_program(const std::string &path);

// log/run and log/main, where multilog runs as the user and keeps 21 files of 1 MB.
void conf_add_log(conf_tree &tree, const std::string &user, conf_owner owner);

// The directory of the daemon's socket, where root alone can put something: made where
// it is not there, and then taken away again by the destructor unless keep() was called.
class conf_socket_directory {
 public:
  explicit conf_socket_directory(const std::string &path);
  ~conf_socket_directory();
  conf_socket_directory(const conf_socket_directory &) = delete;
  conf_socket_directory &operator=(const conf_socket_directory &) = delete;
  void keep() { made_ = false; }

 private:
  std::string path_;
  bool made_ = false;
};

#endif
