// asker.h - who answers the questions of qmail-vrfy: the running daemon, or this
// process by itself.

#ifndef VRFY_ASKER_H
#define VRFY_ASKER_H

#include <functional>
#include <memory>
#include <string>

#include "qmail-verify.h"

struct vrfy_options;

// Longer addresses are not asked about. qmail-queue takes none of more than
// QV_ADDRESS_MAX bytes; a datagram has room for more.
constexpr size_t VRFY_ADDRESS_MAX = 60000;

struct vrfy_answer {
  qv_verdict verdict = QV_TEMPORARY;
  // enum qv_reason, or a number that a newer daemon knows; 0: none was given (a plain
  // answer, or none at all)
  unsigned reason = QV_REASON_NONE;
  unsigned position = 0;  // of a plain answer, 1 to 15; 0: none
  std::string user;       // the controlling user, bytes of any kind; may be empty
  std::string about;      // the file, directory or name that decided; a daemon does not tell
  int error = 0;          // errno of a look that failed; a daemon does not tell
  std::string why;        // no answer came: each server and its trouble; else empty. Printable ASCII
};

class vrfy_asker {
 public:
  virtual ~vrfy_asker() = default;

  // False: there are no more addresses. An address may have any bytes; one with NUL in
  // it, or of more than VRFY_ADDRESS_MAX bytes, is QV_TEMPORARY.
  using source = std::function<bool(std::string &address)>;
  // Gets each address with its answer, in the order in which they came from the source.
  using sink = std::function<void(const std::string &address, const vrfy_answer &answer)>;

  // Asks about every address of next, many at a time. Never fails: what cannot be
  // answered is QV_TEMPORARY.
  virtual void ask(const source &next, const sink &answered) = 0;

  // The same for one.
  vrfy_answer ask(const std::string &address);

  // For a source that may have to wait for its next address, a pipe for instance:
  // ready says whether it has to now. Meanwhile answers are taken, and it is called
  // when there are none left to wait for.
  void ready_when(std::function<bool()> ready) { ready_ = std::move(ready); }

 protected:
  // May next be called without waiting?
  bool ready() const { return !ready_ || ready_(); }

 private:
  std::function<bool()> ready_;
};

// The one that the options want: this process with -n, else the servers. Null after a
// message: there is none, and the exit code is VRFY_TROUBLE.
std::unique_ptr<vrfy_asker> vrfy_asker_for(const vrfy_options &options);

// Is it an address that nobody can be asked about? Then answer says why.
bool vrfy_cannot_be_asked(const std::string &address, vrfy_answer &answer);

#endif
