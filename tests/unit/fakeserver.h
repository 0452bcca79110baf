// fakeserver.h - something on a loopback UDP port, or behind a UNIX socket, that
// answers as a test wants.
//
// A thread takes each question, remembers it, and calls the test's handler with
// its number (0, 1, ...). Ports lie below the ephemeral ones, so that a port that
// is given up is not taken by the sockets under test.

#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "packet.h"

struct Question {
  std::string text;           // the whole datagram
  sockaddr_storage from;      // UDP
  socklen_t from_len;
  int connection;             // UNIX: the descriptor
  std::chrono::steady_clock::time_point at;

  std::string address() const { return text.substr(0, text.find('\0')); }
  in_port_t port() const {
    return from.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6 &>(from).sin6_port
                                      : reinterpret_cast<const sockaddr_in &>(from).sin_port;
  }
  // What is read in it. Points into text.
  packet_question read() const {
    packet_question q;
    if (packet_read_question(text.data(), text.size(), &q) == -1) throw std::runtime_error("damaged question");
    return q;
  }
  std::string nonce() const {
    const packet_question q = read();
    return q.extended ? std::string(reinterpret_cast<const char *>(q.nonce), QV_NONCE_SIZE) : "";
  }
};

// The bytes of an extended answer, at most max of them.
inline std::string extended(const std::string &nonce, unsigned char status, unsigned reason, std::string_view user = {},
                            size_t max = QV_REPLY_MAX) {
  char bytes[QV_REPLY_MAX];
  packet_answer a{};
  a.status = status;
  a.user = user.data();
  a.user_len = user.size();
  a.extended = 1;
  a.nonce = reinterpret_cast<const unsigned char *>(nonce.data());
  a.reason = reason;
  return std::string(bytes, packet_write_answer(&a, bytes, std::min(max, sizeof bytes)));
}

// A UDP socket on ::1 at port, or -1.
inline int loopback6_socket(uint16_t port) {
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 sin6{};
  sin6.sin6_family = AF_INET6;
  sin6.sin6_port = htons(port);
  sin6.sin6_addr = in6addr_loopback;
  if (fd != -1 && bind(fd, reinterpret_cast<sockaddr *>(&sin6), sizeof sin6) == -1) {
    close(fd);
    return -1;
  }
  return fd;
}

// Can IPv6 be used on this machine's loopback interface?
inline bool has_ipv6() {
  int fd = loopback6_socket(0);
  if (fd != -1) close(fd);
  return fd != -1;
}

// A UDP socket on 127.0.0.1 at port, or -1.
inline int loopback_socket(uint16_t port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd != -1 && bind(fd, reinterpret_cast<sockaddr *>(&sin), sizeof sin) == -1) {
    close(fd);
    return -1;
  }
  return fd;
}

// A socket on a port that nobody has, and the port.
inline std::pair<int, uint16_t> free_socket() {
  static unsigned next = static_cast<unsigned>(getpid()) * 97;
  for (;;) {
    auto port = static_cast<uint16_t>(12000 + next++ % 20000);
    int fd = loopback_socket(port);
    if (fd != -1) return {fd, port};
  }
}

// A port on which nobody listens.
inline uint16_t unused_port() {
  auto [fd, port] = free_socket();
  close(fd);
  return port;
}

// A folder for sockets, that goes with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/qmail-verify-unit-XXXXXX";
    if (!mkdtemp(name)) throw std::runtime_error("no temporary folder");
    name_ = name;
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(name_); }
  std::string path(const std::string &file) const { return name_ + "/" + file; }

 private:
  std::string name_;
};

// A UNIX socket that listens on path with so much backlog, or -1.
inline int listen_on_path(const std::string &path, int backlog) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  path.copy(sun.sun_path, sizeof sun.sun_path - 1);
  if (fd != -1 && (bind(fd, reinterpret_cast<sockaddr *>(&sun), sizeof sun) == -1 || listen(fd, backlog) == -1)) {
    close(fd);
    return -1;
  }
  return fd;
}

// What a server's thread has heard, for the thread of the test.
class Heard {
 public:
  // Its number: 0, 1, ...
  size_t remember(const Question &q) {
    const std::lock_guard lock(mutex_);
    questions_.push_back(q);
    come_.notify_all();
    return questions_.size() - 1;
  }
  // All so far, once there are at least n (or ten seconds have gone by).
  std::vector<Question> at_least(size_t n) const {
    std::unique_lock lock(mutex_);
    come_.wait_for(lock, std::chrono::seconds(10), [&] { return questions_.size() >= n; });
    return questions_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable come_;
  std::vector<Question> questions_;
};

class FakeServer {
 public:
  using Handler = std::function<void(FakeServer &, size_t number, const Question &)>;

  explicit FakeServer(Handler handler) : FakeServer(std::move(handler), free_socket()) {}
  FakeServer(Handler handler, uint16_t port) : FakeServer(std::move(handler), std::pair(loopback_socket(port), port)) {}
  // On ::1.
  static FakeServer ipv6(Handler handler) {
    const uint16_t port = unused_port();
    return FakeServer(std::move(handler), std::pair(loopback6_socket(port), port), "[::1]:");
  }
  FakeServer(const FakeServer &) = delete;
  FakeServer &operator=(const FakeServer &) = delete;
  ~FakeServer() {
    uint64_t one = 1;
    if (write(stop_, &one, sizeof one) != sizeof one) abort();
    thread_.join();
    close(fd_);
    close(stop_);
  }

  uint16_t port() const { return port_; }
  std::string endpoint() const { return host_ + std::to_string(port_); }

  void say(const Question &to, std::string_view bytes) { say_from(fd_, to, bytes); }
  static void say_from(int fd, const Question &to, std::string_view bytes) {
    sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr *>(&to.from), to.from_len);
  }

  // The questions so far, once there are at least n (or ten seconds have gone by).
  std::vector<Question> questions(size_t n = 0) const { return heard_.at_least(n); }

 private:
  FakeServer(Handler handler, std::pair<int, uint16_t> socket, const char *host = "127.0.0.1:")
      : host_(host), port_(socket.second), handler_(std::move(handler)), fd_(socket.first), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (fd_ == -1) throw std::runtime_error("port in use");
    thread_ = std::thread([this] { run(); });
  }
  void run() {
    for (;;) {
      pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (poll(fds, 2, -1) == -1) continue;
      if (fds[1].revents) return;
      take();
    }
  }
  void take() {
    static thread_local char buf[65536];
    Question q{};
    q.from_len = sizeof q.from;
    ssize_t n = recvfrom(fd_, buf, sizeof buf, 0, reinterpret_cast<sockaddr *>(&q.from), &q.from_len);
    if (n == -1) return;
    q.text.assign(buf, static_cast<size_t>(n));
    q.at = std::chrono::steady_clock::now();
    handler_(*this, heard_.remember(q), q);
  }

  std::string host_;
  uint16_t port_;
  Handler handler_;
  int fd_, stop_;
  Heard heard_;
  std::thread thread_;
};

// The same behind a UNIX socket at path; connections are accepted as they come and
// stay open until the test, the client or the end closes them.
class FakeUnixServer {
 public:
  using Handler = std::function<void(FakeUnixServer &, size_t number, const Question &)>;

  FakeUnixServer(std::string path, Handler handler)
      : path_(std::move(path)), handler_(std::move(handler)), fd_(listen_on_path(path_, 64)), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (fd_ == -1) throw std::runtime_error("path in use");
    thread_ = std::thread([this] { run(); });
  }
  FakeUnixServer(const FakeUnixServer &) = delete;
  FakeUnixServer &operator=(const FakeUnixServer &) = delete;
  ~FakeUnixServer() {
    uint64_t one = 1;
    if (write(stop_, &one, sizeof one) != sizeof one) abort();
    thread_.join();
    for (int fd : connections_) close(fd);
    close(fd_);
    close(stop_);
    unlink(path_.c_str());
  }

  void say(const Question &to, std::string_view bytes) { send(to.connection, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void hang_up(const Question &to) { shutdown(to.connection, SHUT_RDWR); }

  std::vector<Question> questions(size_t n = 0) const { return heard_.at_least(n); }
  // How many connections were made, and how many are open.
  std::pair<size_t, size_t> connections() const {
    std::lock_guard lock(mutex_);
    return {made_, connections_.size()};
  }

 private:
  void run() {
    for (;;) {
      std::vector<pollfd> fds{{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      for (int fd : connections_) fds.push_back({fd, POLLIN, 0});
      if (poll(fds.data(), fds.size(), -1) == -1) continue;
      if (fds[1].revents) return;
      for (size_t i = 2; i < fds.size(); ++i)
        if (fds[i].revents) take(fds[i].fd);
      if (fds[0].revents) accept_one();
    }
  }
  void accept_one() {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd == -1) return;
    std::lock_guard lock(mutex_);
    connections_.push_back(fd);
    ++made_;
  }
  void take(int fd) {
    static thread_local char buf[65536];
    Question q{};
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n <= 0) {
      std::lock_guard lock(mutex_);
      std::erase(connections_, fd);
      close(fd);
      return;
    }
    q.text.assign(buf, static_cast<size_t>(n));
    q.connection = fd;
    q.at = std::chrono::steady_clock::now();
    handler_(*this, heard_.remember(q), q);
  }

  std::string path_;
  Handler handler_;
  int fd_, stop_;
  Heard heard_;
  mutable std::mutex mutex_;  // of the connections
  std::vector<int> connections_;
  size_t made_ = 0;
  std::thread thread_;
};

inline FakeServer::Handler silent() {
  return [](FakeServer &, size_t, const Question &) {};
}

inline FakeServer::Handler always(std::string bytes) {
  return [bytes](FakeServer &s, size_t, const Question &q) { s.say(q, bytes); };
}

// Extended answers, each with the nonce of its question.
inline FakeServer::Handler always_extended(unsigned char status, unsigned reason, std::string user = {}) {
  return [=](FakeServer &s, size_t, const Question &q) { s.say(q, extended(q.nonce(), status, reason, user)); };
}

// How long something takes, in milliseconds, rounded up: the clock of the client
// has whole ones and may be that much early.
class Stopwatch {
 public:
  long long ms() const {
    return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};
