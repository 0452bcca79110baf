// own_names.cpp - a program with classes of the same names as the library's, and an
// operator new of its own that finds no memory when it is told to.
//
// own_names QMAILDIR ADDRESS: prints the reason, then what came of it without memory.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

#include <address.h>
#include <sockbits.h>

static bool no_memory;
static unsigned wrong_calls;

void *operator new(size_t size) {
  void *const at = no_memory ? nullptr : malloc(size);
  if (!at) throw std::bad_alloc();
  return at;
}
void operator delete(void *at) noexcept { free(at); }
void operator delete(void *at, size_t) noexcept { free(at); }

// Of other sizes than the library's, with functions that it must never call.
struct mine {
  virtual ~mine() { ++wrong_calls; }
  virtual int find() { return ++wrong_calls, 0; }
  char room[3] = "";
};
class cdb : public mine {
 public:
  cdb();
  int open(const char *path, int &error, int dir);
};
class site : public mine {};
class site_visit : public mine {};
class asuser : public mine {
 public:
  void begin();
  void rest();
};
class control_map : public mine {
 public:
  control_map();
};
class watch : public mine {};
class controls : public mine {};
class judging : public mine {};
class listings : public mine {};

cdb::cdb() { ++wrong_calls; }
int cdb::open(const char *, int &, int) { return static_cast<int>(++wrong_calls); }
void asuser::begin() { ++wrong_calls; }
void asuser::rest() { ++wrong_calls; }
control_map::control_map() { ++wrong_calls; }
bool site_absent(int) { return ++wrong_calls; }
std::string control_parseline(const std::string &line) { return ++wrong_calls, line; }
extern "C" void log_puts() { ++wrong_calls; }

static const char *reason(struct address *host, const char *of) {
  const address_question question = {of, strlen(of), nullptr, 0};
  address_answer answer;
  address_judge(host, &question, &answer);
  return qv_reason_name(answer.reason);
}

int main(int argc, char **argv) {
  if (argc != 3) return 100;
  address_config config;
  address_config_default(&config);
  config.qmail = argv[1];
  struct address *const host = address_new(&config, nullptr, nullptr, sockbits_now_ms());
  if (!host) return perror(argv[1]), 111;
  printf("%s\n", reason(host, argv[2]));
  no_memory = true;
  const char *const without = reason(host, argv[2]);
  struct address *const none = address_new(&config, nullptr, nullptr, sockbits_now_ms());
  const int error = errno;
  no_memory = false;
  printf("%s\n%s\n%s\n%u\n", without, none ? "a handle" : strerror(error), reason(host, argv[2]), wrong_calls);
  address_free(host);
  return 0;
}
