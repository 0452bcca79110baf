// kept_threads.cpp - several threads and processes put, get, count and flush answers that are
// kept, at the same time: what is got is whole, and is of the address that was asked for.
//
// kept_threads ROUNDS: prints how many answers were looked at in this process; 1, and why to
// standard error, where one was wrong. The other processes are there so that memory which
// processes share is written from outside, too; ThreadSanitizer watches the threads.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hub/kept.h"

namespace {

constexpr unsigned ADDRESSES = 8, DOMAINS = 3, WRITERS = 3, OTHERS = 2;
constexpr long long NOW = 1000000;

std::string address_of(unsigned i) {
  return "user" + std::to_string(i % ADDRESSES) + "@x" + std::to_string(i % DOMAINS);
}

// The user is the address, then a letter many times, of which the position tells, too.
std::string user_of(const std::string &address, unsigned which) {
  return address + std::string(KEPT_USER_MAX - address.size(), static_cast<char>('a' + which));
}

void write(kept &all, unsigned from, unsigned rounds) {
  for (unsigned i = 0; i < rounds * 1000; ++i) {
    const unsigned which = (i * 7 + from) % 15;
    const std::string address = address_of(i * 5 + from), user = user_of(address, which);
    kept_answer answer{QV_VALID, QV_REASON_DOTQMAIL, which, user, false};
    if (i % 50 == 0) answer = {QV_INVALID, QV_REASON_NO_MAILBOX, 14, "", false};
    if (i % 170 == 0) answer = {QV_UNKNOWN, QV_REASON_PROGRAM, 10, "", false};
    all.put(address, answer, NOW + i % 100);
  }
}

bool right(const kept_answer &a, const std::string &address) {
  if (a.verdict == QV_INVALID) return a.reason == QV_REASON_NO_MAILBOX && a.position == 14 && a.user.empty();
  return a.verdict == QV_VALID && a.reason == QV_REASON_DOTQMAIL && a.user == user_of(address, a.position);
}

// Looks at all addresses. How many there were; exits where one is wrong.
unsigned long look(kept &all) {
  unsigned long found = 0;
  for (unsigned i = 0; i < ADDRESSES * DOMAINS; ++i) {
    kept_answer a;
    const std::string address = address_of(i);
    if (!all.get(address, NOW, false, a)) continue;
    ++found;
    if (right(a, address)) continue;
    fprintf(stderr, "%s: an answer of user %.*s, position %u\n", address.c_str(), static_cast<int>(a.user.size()),
            a.user.data(), a.position);
    _exit(1);
  }
  return found;
}

// Another process, which writes and reads.
pid_t other(kept &all, unsigned which, unsigned rounds) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  for (unsigned i = 0; i < rounds; ++i) {
    write(all, which, 1);
    look(all);
  }
  _exit(0);
}

}  // namespace

int main(int argc, char **argv) {
  const unsigned rounds = argc == 2 ? static_cast<unsigned>(strtoul(argv[1], nullptr, 10)) : 0;
  const std::unique_ptr<kept> all = kept::make(1024);
  if (!rounds || !all) return 100;
  all->set({});
  std::vector<pid_t> others;
  for (unsigned i = 0; i < OTHERS; ++i) others.push_back(other(*all, 100 + i, rounds));
  std::atomic<unsigned> writing{WRITERS};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < WRITERS; ++t)
    threads.emplace_back([&, t] {
      write(*all, t, rounds);
      --writing;
    });
  threads.emplace_back([&] {
    while (writing) {
      all->flush("X1");
      all->count(NOW);
    }
  });
  unsigned long found = 0;
  for (bool last = false; !last;) {
    last = writing == 0;
    found += look(*all);
  }
  for (std::thread &thread : threads) thread.join();
  int wrong = 0, status;
  for (const pid_t pid : others)
    if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0) wrong = 1;
  printf("%lu\n", found);
  return wrong;
}
