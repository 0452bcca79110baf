// threads.cpp - several threads judge at the same time, each with a handle of its own:
// their answers are those of one thread, and each has its own ids.
//
// threads QMAILDIR THREADS ROUNDS <addresses: as root, one address a line. Prints how many
// answers were compared; whatever is wrong goes to standard error, and the code is 1.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "address.h"

namespace {

std::atomic<unsigned long> wrong, compared, checked;

void complain(const std::string &what) {
  if (wrong++ < 20) fprintf(stderr, "%s\n", what.c_str());
}

long long now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

uid_t uid_now() { return static_cast<uid_t>(syscall(SYS_geteuid)); }

// Root, and nobody else, with the groups that it had.
bool itself() { return uid_now() == 0 && syscall(SYS_getegid) == 0 && getgroups(0, nullptr) == 2; }

struct address *begin(const char *qmail) {
  address_config config;
  address_config_default(&config);
  config.qmail = qmail;
  struct address *a = address_new(&config, nullptr, nullptr, now_ms());
  if (!a) {
    perror(qmail);
    exit(111);
  }
  return a;
}

std::string text_of(const address_answer &answer) {
  return std::string(qv_reason_name(answer.reason)) + " " + std::to_string(answer.verdict) + " " +
         std::to_string(answer.position) + " " + std::to_string(answer.error) + " " + answer.user + " " + answer.about;
}

address_question question_of(const std::string &address) { return {address.data(), address.size(), nullptr, 0}; }

struct asker {
  struct address *handle;
  const std::vector<std::string> &addresses, &expected;
  std::vector<size_t> asked = {};  // the questions that are judged together

  void compare(size_t i, const address_answer &answer) {
    ++compared;
    if (const std::string got = text_of(answer); got != expected[i])
      complain(addresses[i] + ": " + got + ", expected " + expected[i]);
  }

  // A look into a home is made with its owner's ids, whatever the others do meanwhile.
  void watch() {
    const address_guard guard{[](void *, const char *path, uid_t uid) {
                                ++checked;
                                if (*path == '/' && uid_now() != uid)
                                  complain(std::string(path) + ": looked at as " + std::to_string(uid_now()));
                                return 0;
                              },
                              [](void *) {}, nullptr};
    address_watch(handle, &guard);
  }

  void one_by_one(size_t from) {
    for (size_t n = 0; n < addresses.size(); ++n) {
      const size_t i = (from + n) % addresses.size();
      const address_question question = question_of(addresses[i]);
      address_answer answer;
      address_judge(handle, &question, &answer);
      compare(i, answer);
      if (!itself()) complain("not itself between two questions");
    }
  }

  void together(size_t from) {
    const address_calls calls{[](void *, unsigned) { return 1; },
                              [](void *ctx, unsigned k, address_answer *answer) {
                                auto &me = *static_cast<asker *>(ctx);
                                me.compare(me.asked[k], *answer);
                              },
                              this};
    for (size_t n = 0; n < addresses.size(); n += asked.size()) {
      std::vector<address_question> questions;
      asked.clear();
      for (size_t k = n; k < addresses.size() && asked.size() < ADDRESS_TOGETHER_MAX; ++k) {
        asked.push_back((from + k) % addresses.size());
        questions.push_back(question_of(addresses[asked.back()]));
      }
      address_judge_together(handle, questions.data(), static_cast<unsigned>(questions.size()), &calls);
    }
    address_rest(handle);
    if (!itself()) complain("not itself after a rest");
  }
};

// A thread that has nothing to do with it has root's ids throughout.
void look_on(const std::atomic<bool> &done) {
  while (!done) {
    if (!itself()) complain("another thread's ids have changed");
    ++checked;
    std::this_thread::yield();
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return 100;
  const char *const qmail = argv[1];
  const unsigned threads = static_cast<unsigned>(atoi(argv[2]));
  const int rounds = atoi(argv[3]);
  const gid_t groups[] = {7997, 7998};
  if (syscall(SYS_setgroups, 2, groups) == -1) return perror("setgroups"), 111;

  std::vector<std::string> addresses, expected;
  for (std::string line; std::getline(std::cin, line);) addresses.push_back(line);
  struct address *single = begin(qmail);
  for (const std::string &address : addresses) {
    const address_question question = question_of(address);
    address_answer answer;
    address_judge(single, &question, &answer);
    expected.push_back(text_of(answer));
    printf("%s\t%s\n", address.c_str(), qv_reason_name(answer.reason));
  }

  std::atomic<bool> done{false};
  std::thread onlooker([&] { look_on(done); });
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      asker mine{t == 0 ? single : begin(qmail), addresses, expected};  // one handle has changed its thread
      mine.watch();
      for (int round = 0; round < rounds; ++round) {
        (t + static_cast<unsigned>(round)) % 2 ? mine.together(t * 7) : mine.one_by_one(t * 7);
        address_tick(mine.handle, now_ms());
      }
      address_free(mine.handle);
    });
  }
  for (std::thread &t : all) t.join();
  done = true;
  onlooker.join();
  printf("%lu compared, %lu checked, %lu wrong\n", compared.load(), checked.load(), wrong.load());
  return wrong ? 1 : 0;
}
