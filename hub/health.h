// health.h - does a server answer? What was sent to it and heard from it, counted.
//
// No socket, no clock: for the one process that asks the servers, and for tests.

#ifndef HUB_HEALTH_H
#define HUB_HEALTH_H

constexpr long long HEALTH_SILENT_MS = 1000;  // so long without any answer,
constexpr unsigned HEALTH_SILENT_TRIES = 3;   // and so many questions: it is set aside
constexpr long long HEALTH_PROBE_MS = 1000;   // then one question is sent to it in that time

// now_ms: a clock that is never set.
class server_health {
 public:
  void sent(long long now_ms);
  // An answer came, whatever it says. True: it had been set aside.
  bool heard();
  // A question to it was not answered in time, or could not be sent. True: it is set aside from
  // now on. One that answers anything now and then never is: it may be silent about one
  // address (as 1.32 is where it cannot tell), or datagrams are lost.
  bool failed(long long now_ms);
  bool aside() const { return aside_; }
  // It is set aside, and one may try it now.
  bool due(long long now_ms) const { return aside_ && now_ms >= probe_ms_; }
  // It is set aside, and this question is the one that tries it.
  bool probe(long long now_ms);

 private:
  bool aside_ = false;
  unsigned unanswered_ = 0;
  long long first_ms_ = 0;  // when the first of them was sent
  long long probe_ms_ = 0;  // from when on one may try it
};

#endif
