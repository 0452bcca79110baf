// loads.h - what load.cpp and doors_load.cpp share: numbers on the command line, the addresses
// that are asked about, the count of what came back, the clock and the processor.

#ifndef BENCH_LOADS_H
#define BENCH_LOADS_H

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// ---- how it ends, and its arguments

[[noreturn]] inline void die(const char *what) {
  perror((std::string(program_invocation_short_name) + ": " + what).c_str());
  exit(111);
}

[[noreturn]] inline void usage(std::string_view argument) {
  fprintf(stderr, "%s: %.*s: see the top of bench/%s.cpp\n", program_invocation_short_name,
          static_cast<int>(argument.size()), argument.data(), program_invocation_short_name);
  exit(100);
}

inline double read_number(std::string_view argument, std::string_view value) {
  char *end;
  const double n = strtod(value.data(), &end);
  if (value.empty() || *end || !(n >= 0)) usage(argument);
  return n;
}

inline uint64_t read_whole(std::string_view argument, std::string_view value) {
  char *end;
  const uint64_t n = strtoull(value.data(), &end, 10);
  if (value.empty() || *end) usage(argument);
  return n;
}

// ---- the clock and the processor

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline double cpu_seconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Negative: on any.
inline void stay_on(int processor) {
  if (processor < 0) return;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  if (sched_setaffinity(0, sizeof only, &only) == -1) die("cannot stay on the processor");
}

// ---- addresses

// The numbers below count, each once, in an order that looks like none: a mixing of
// as many bits as they need, passing over those that are too large.
class shuffled {
 public:
  shuffled(uint64_t count, uint64_t first) : count_(count) {
    while (bits_ < 63 && (uint64_t{1} << bits_) < count) ++bits_;
    for (uint64_t i = 0; i < first % count; ++i) next();
  }

  uint64_t next() {
    for (;;) {
      const uint64_t n = mix(at_);
      at_ = (at_ + 1) & mask();
      if (n < count_) return n;
    }
  }

 private:
  uint64_t mask() const { return (uint64_t{1} << bits_) - 1; }
  uint64_t mix(uint64_t n) const {  // each step can be undone, so that no two meet
    const unsigned half = std::max(1U, bits_ / 2);
    for (const uint64_t odd : {0x9e3779b97f4a7c15U, 0xbf58476d1ce4e5b9U}) {
      n = (n * odd + 0x2545f491U) & mask();
      n ^= n >> half;
    }
    return n;
  }

  const uint64_t count_;
  unsigned bits_ = 0;
  uint64_t at_ = 0;
};

// xorshift64: comes back to a number only after all others.
class fresh {
 public:
  explicit fresh(uint64_t seed) : state_(seed ? seed : 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_;
};

class addresses {
 public:
  // text: a template as load.cpp tells; count, first and seed are its arguments.
  addresses(std::string text, uint64_t count, uint64_t first, uint64_t seed)
      : template_(std::move(text)), numbers_(count, first), fresh_(seed) {}

  void next(std::string &address) {
    address.clear();
    for (size_t i = 0; i < template_.size(); ++i) {
      if (template_[i] != '%' || i + 1 == template_.size()) {
        address += template_[i];
        continue;
      }
      const char kind = template_[++i];
      if (kind == 'r')
        append_fresh(address);
      else
        append_number(address, numbers_.next() * (kind == 'e' ? 2 : 1));
    }
  }

 private:
  void append_fresh(std::string &address) {
    const uint64_t n = fresh_.next();
    for (int shift = 60; shift >= 0; shift -= 4) address += "0123456789abcdef"[n >> shift & 15];
  }
  static void append_number(std::string &address, uint64_t n) {
    char text[24];
    address.append(text, std::to_chars(text, text + sizeof text, n).ptr);
  }

  const std::string template_;
  shuffled numbers_;
  fresh fresh_;
};

// ---- what came of it

struct tally {
  uint64_t sent = 0, answered = 0, wrong = 0, lost = 0, stray = 0;
  std::vector<uint32_t> latencies;  // nanoseconds
  std::string example;              // the first wrong answer
  int64_t began = now_ns(), last_answer = began;

  void timed(int64_t ns) { latencies.push_back(static_cast<uint32_t>(std::clamp<int64_t>(ns, 0, UINT32_MAX))); }
};

inline double percentile(std::vector<uint32_t> &of, double part) {
  const auto at = static_cast<ptrdiff_t>(static_cast<double>(of.size() - 1) * part);
  std::nth_element(of.begin(), of.begin() + at, of.end());
  return of[static_cast<size_t>(at)] / 1000.0;
}

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 32 && c < 127 ? c : '?';
  }
  return out + '"';
}

inline void print(tally &t, double busy) {
  const double seconds = static_cast<double>(t.last_answer - t.began) / 1e9;
  printf("{\"sent\": %llu, \"answered\": %llu, \"wrong\": %llu, \"lost\": %llu, \"stray\": %llu, ",
         static_cast<unsigned long long>(t.sent), static_cast<unsigned long long>(t.answered),
         static_cast<unsigned long long>(t.wrong), static_cast<unsigned long long>(t.lost),
         static_cast<unsigned long long>(t.stray));
  printf("\"seconds\": %.6f, \"rate\": %.1f, \"busy\": %.3f, ", seconds,
         t.answered ? static_cast<double>(t.answered) / seconds : 0, busy);
  if (!t.latencies.empty())
    printf("\"latency\": {\"p50\": %.2f, \"p99\": %.2f, \"n\": %zu}, ", percentile(t.latencies, 0.5),
           percentile(t.latencies, 0.99), t.latencies.size());
  printf("\"example\": %s}\n", t.example.empty() ? "null" : quoted(t.example).c_str());
}

#endif
