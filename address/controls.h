// controls.h - which control files count now?
//
// qmail-send reads locals and virtualdomains at start and on SIGHUP, and me,
// envnoathost and percenthack at start only. A verifier that overtakes it would
// refuse mail that the running qmail-send still delivers. So this keeps, beside
// the tables that qmail-send certainly has (those of our own start and of the
// last SIGHUP), each newer state of the files that has stood for ten seconds,
// and an address is refused only where all of them refuse it.
//
// What cannot be read never replaces what was read before.

#ifndef ADDRESS_CONTROLS_H
#define ADDRESS_CONTROLS_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "route.h"
#include "site.h"

// A sentence for the operator's log.
using controls_note = std::function<void(const std::string &)>;

class controls {
 public:
  static constexpr long long STAND_MS = 10000;  // how long a change has to stand
  static constexpr size_t SETS_MAX = 16;        // states kept beside the first

  controls(site &host, controls_note note) : host_(host), note_(std::move(note)) {}

  // Reads all files for the first time. Where that fails (qmail-send would not
  // start either) nothing is in force, and tick tries again.
  void start(long long now_ms);
  // SIGHUP: takes over locals and virtualdomains, as qmail-send does.
  void hangup(long long now_ms);
  // To be called about once a second: notices changes and takes over those that
  // have stood long enough. now_ms: a clock that is never set.
  void tick(long long now_ms);

  // What counts, the newest first. Empty: the files could not be read yet.
  const std::vector<std::shared_ptr<const route_tables>> &in_force() const { return tables_; }
  // Why they could not be read when that was last tried; empty: they could.
  const std::string &complaint() const { return complaint_; }
  // Grows with each change of what counts.
  unsigned long version() const { return version_; }

 private:
  using stamps = std::array<site_stamp, CONTROL_NAMES.size()>;

  stamps look() const;
  control_files read() const;
  bool usable(const control_files &files, std::string &why) const;
  void complain(const std::string &why);
  void recovered();
  void noticed(const stamps &seen, long long now_ms);
  void take_over(const control_files &files);
  void publish();

  site &host_;
  controls_note note_;
  std::vector<std::shared_ptr<const route_tables>> states_;  // the first is what qmail-send has; newer ones behind it
  std::vector<std::shared_ptr<const route_tables>> tables_;  // the same, the newest first
  unsigned long version_ = 0;
  stamps noticed_{};
  long long noticed_ms_ = 0;
  bool settled_ = false;  // what was noticed has been dealt with
  std::string complaint_;
};

#endif
