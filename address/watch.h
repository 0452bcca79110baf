// watch.h - one of our own control files: read at the start, and again once a
// change has stood for a second.
//
// A file that is being written is not read half. One that cannot be read is tried
// again each second; what counts until then is for the caller to say.

#ifndef ADDRESS_WATCH_H
#define ADDRESS_WATCH_H

#include <functional>
#include <utility>

#include "site.h"

class watch {
 public:
  static constexpr long long STAND_MS = 1000;  // how long a change has to stand

  // read: how to read it, where that is not by host.control; when is told by the stamps of
  // control/NAME all the same.
  watch(site &host, const char *name, std::function<control_text()> read = {})
      : host_(host), name_(name), read_(std::move(read)) {}

  // Reads the file. Always true: what came of it is in file().
  bool start(long long now_ms);
  // To be called about once a second. True: the file was read, and differs from
  // what was read before. now_ms: a clock that is never set.
  bool tick(long long now_ms);
  // SIGHUP: reads at once. True as above.
  bool hangup(long long now_ms);

  // What was read last: found, absent, or failed with its error.
  const control_text &file() const { return file_; }
  // It could not be read, and now it can, and is what it was before.
  bool again() const { return again_; }

 private:
  bool read(bool now);

  site &host_;
  const char *name_;
  std::function<control_text()> read_;
  control_text file_, good_;  // good_: the last that could be read
  bool again_ = false;
  site_stamp seen_;
  long long seen_ms_ = 0;
  bool settled_ = false;  // what was seen has been read
};

#endif
