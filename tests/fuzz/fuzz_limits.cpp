// fuzz_limits.cpp - any bytes as control/verifylimits, and any order of answers to
// eight SMTP clients: each complaint names its line, and who is told nothing, and for
// how long, is what counting all answers again each time makes of it.
//
// An input: two texts of the file, each ending with 0xff, then steps of two bytes:
// what happens (see step), and how much time passes before.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool one_line(std::string_view sentence) {
  for (char c : sentence)
    if (c < ' ' || c > '~') return false;
  return sentence.size() < 1000;
}

limits_settings read(std::string_view text) {
  std::vector<std::string> complaints;
  limits_settings settings(text, complaints);
  require(complaints.size() <= 101);
  for (const std::string &sentence : complaints)
    require(one_line(sentence) && sentence.starts_with("control/verifylimits"));
  require(settings.badperminute <= LIMITS_BAD_MAX && settings.badperhour <= LIMITS_BAD_MAX);
  require(settings.keep_valid_ms >= 0 && settings.keep_valid_ms <= 86400 * 1000LL);
  require(settings.keep_invalid_ms >= 0 && settings.keep_invalid_ms <= 60 * 1000LL);
  require(settings.keep_stale_ms >= 0 && settings.keep_stale_ms <= 604800 * 1000LL);
  require(settings.keep_answers >= LIMITS_KEEP_MIN && settings.keep_answers <= LIMITS_KEEP_MAX);
  require(settings.on() == (settings.badperminute + settings.badperhour > 0));
  return settings;
}

// ---- eight clients: five have addresses of their own, two share a /64, one has none

ip_address client(unsigned which) {
  unsigned char v4[4] = {192, 0, 2, static_cast<unsigned char>(which)};
  unsigned char v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1};
  v6[15] = static_cast<unsigned char>(which);
  return which < 5 ? ip_of(v4, 4) : which < 7 ? ip_of(v6, 16) : ip_address{};
}

unsigned place_of(unsigned which) { return which == 6 ? 5 : which; }

// ---- the same, by counting

struct period {
  long long length_ms;
  std::vector<bool> bad = {};  // the answers since it began
  long long begun_ms = 0;

  void add(bool is_bad, long long now) {
    if (!bad.empty() && now - begun_ms >= length_ms) bad.clear();
    if (bad.empty()) begun_ms = now;
    bad.push_back(is_bad);
  }
  size_t bads() const { return static_cast<size_t>(std::count(bad.begin(), bad.end(), true)); }
  bool over(unsigned long most) const { return most && bads() > most && 2 * bads() > bad.size(); }
};

struct account {
  period minute{LIMITS_MINUTE_MS}, hour{LIMITS_HOUR_MS};
  bool limited = false, was_limited = false, by_minute = false;
  long long since_ms = 0;
  size_t over = 0;
};

class model {
 public:
  void set(const limits_settings &settings) {
    settings_ = settings;
    for (auto &[place, a] : accounts_) {
      const unsigned long most = a.by_minute ? settings.badperminute : settings.badperhour;
      if (!most || a.over <= most || exempt(first_of(place))) a.limited = false;
    }
  }
  bool may_know(unsigned which, long long now) {
    if (which == 7 || !accounts_.count(place_of(which))) return true;
    account &a = accounts_.at(place_of(which));
    if (now - a.since_ms >= LIMITS_BITE_MS) a.limited = false;
    return !a.limited || exempt(client(which));
  }
  void count(unsigned which, qv_verdict verdict, long long now) {
    if (which == 7 || !settings_.on() || verdict == QV_TEMPORARY || exempt(client(which))) return;
    account &a = accounts_[place_of(which)];
    const bool bad = verdict == QV_INVALID;
    a.minute.add(bad, now);
    a.hour.add(bad, now);
    if (!bad || a.limited || (a.was_limited && now - a.since_ms < LIMITS_HOUR_MS)) return;
    a.by_minute = a.minute.over(settings_.badperminute);
    if (!a.by_minute && !a.hour.over(settings_.badperhour)) return;
    a.limited = a.was_limited = true;
    a.since_ms = now;
    a.over = (a.by_minute ? a.minute : a.hour).bads();
  }

 private:
  bool exempt(const ip_address &ip) const { return prefix_any(settings_.exempt, ip); }
  // A /64 is known by the first of its addresses.
  static ip_address first_of(unsigned place) {
    ip_address ip = client(place);
    if (ip.size == 16) ip.bytes[15] = 0;
    return ip;
  }

  limits_settings settings_;
  std::map<unsigned, account> accounts_;
};

constexpr long long SCALES_MS[8] = {0, 1, 250, 1000, 5000, 60000, 600000, 3600000};

// One object for all inputs, since making it costs more than they do: three hours
// without limits are as good as a new one.
struct stage {
  size_t notes = 0;
  limits real{[this](const std::string &sentence) {
    require(one_line(sentence));
    ++notes;
  }};
  long long now = 0;

  void clear() {
    real.set({});
    now += 3 * LIMITS_HOUR_MS;
    real.tick(now);
    notes = 0;
  }
};

void play(std::string_view steps, const limits_settings (&settings)[2]) {
  static stage s;
  s.clear();
  limits &real = s.real;
  long long &now = s.now;
  const long long begun = now;
  model counted;
  real.set(settings[0]);
  counted.set(settings[0]);
  for (size_t taken = 0; steps.size() >= 2 && taken < 1024; steps.remove_prefix(2), ++taken) {
    // bits 0 to 2: which client; 3 and 4: valid, invalid, temporary, other settings;
    // 5 to 7: of what the second byte is a number
    const auto what = static_cast<unsigned char>(steps[0]), time = static_cast<unsigned char>(steps[1]);
    const unsigned which = what & 7, kind = what >> 3 & 3;
    now += SCALES_MS[what >> 5] * (time & 63);
    if (time & 128) real.tick(now);
    const bool may = real.may_know(client(which), now);
    require(may == counted.may_know(which, now));
    if (kind == 3) {
      real.set(settings[time >> 6 & 1]);
      counted.set(settings[time >> 6 & 1]);
    } else if (may) {
      const qv_verdict verdict = kind == 0 ? QV_VALID : kind == 1 ? QV_INVALID : QV_TEMPORARY;
      real.count(client(which), verdict, now);
      counted.count(which, verdict, now);
    }
  }
  const auto minutes = static_cast<size_t>((now - begun) / LIMITS_MINUTE_MS);
  require(s.notes <= (LIMITS_LINES + 1) * (minutes + 2));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view all(reinterpret_cast<const char *>(data), size);
  limits_settings settings[2];
  for (limits_settings &one : settings) {
    const size_t end = std::min(all.find('\xff'), all.size());
    one = read(all.substr(0, end));
    all.remove_prefix(std::min(all.size(), end + 1));
  }
  if (all.size() >= 2) play(all, settings);
  return 0;
}
