// daemon.cpp - see daemon.h.
//
// Questions on their way stand in a ring, in the order in which they were asked. Each
// goes to the first server, and, as verifyrcpt.c has it, to the next one when that one
// refuses or has been silent for 0.3 s, until one answers or 5 s have gone by. Answers
// find their question by its nonce. One that has none, of a 1.32 server, ends that: from
// then on there is one question at a time, asked by verifyrcpt.c itself.

#include "daemon.h"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>
#include <vector>

#include "packet.h"
#include "say.h"
#include "server.h"
#include "sockbits.h"
#include "verifyrcpt.h"

namespace {

// So many questions, and bytes of them, are on their way: a daemon's socket has room for
// more, and they are not the only ones. (One may be larger.)
constexpr unsigned WINDOW = 64;
constexpr size_t WINDOW_BYTES = 65536;
// So many may have been answered or not, and wait for one before them.
constexpr unsigned RING = 1024;
// When a silent server is sent the question again, counted from the first time: a
// datagram may be lost.
constexpr long long REPEAT_MS[] = {300, 1000, 2200};
// For so long nobody is asked after all servers have been given up.
constexpr long long REST_MS = 30000;
// An answer is never longer than twice its question. With so many bytes of question the
// whole controlling user has room, as address.h has it.
constexpr size_t QUESTION_MIN = 160;

// ---- what an answer says

qv_verdict verdict_of(unsigned result) {
  return result == QV_RESULT_VALID ? QV_VALID : result == QV_RESULT_TEMPORARY ? QV_TEMPORARY : QV_INVALID;
}

// The reason has its verdict, unless the server says that it is another one.
qv_verdict verdict_of(unsigned result, unsigned reason) {
  const qv_verdict by_result = verdict_of(result), by_reason = qv_reason_verdict(static_cast<qv_reason>(reason));
  const bool accepted = by_reason != QV_INVALID && by_reason != QV_TEMPORARY;
  return by_result == (accepted ? QV_VALID : by_reason) ? by_reason : by_result;
}

// ---- one question

struct question {
  std::string address, bytes;
  vrfy_answer answer;
  bool waiting = false;
  unsigned char nonce[QV_NONCE_SIZE];
  long long begin_ms = 0, wake_ms = 0;
  unsigned asked = 0;  // how many of the servers in line have been asked, or passed over
  struct {
    unsigned server, repeats;
    long long first_ms;  // 0: it was not usable
  } line[VERIFYRCPT_SERVERS_MAX];
};

// Random numbers, for many nonces at once.
class randomness {
 public:
  // Returns 0, or errno: a nonce must not be a weak one, and the kernel is not waited for.
  int take(unsigned char nonce[QV_NONCE_SIZE]) {
    if (left_ == 0) {
      const ssize_t n = getrandom(bytes_, sizeof bytes_, GRND_NONBLOCK);
      if (n != static_cast<ssize_t>(sizeof bytes_)) return n == -1 ? errno : EIO;
      left_ = sizeof bytes_;
    }
    left_ -= QV_NONCE_SIZE;
    memcpy(nonce, bytes_ + left_, QV_NONCE_SIZE);
    return 0;
  }

 private:
  unsigned char bytes_[16 * QV_NONCE_SIZE];  // 256: all that getrandom promises in one piece
  size_t left_ = 0;
};

class daemon_asker : public vrfy_asker {
 public:
  explicit daemon_asker(const vrfy_options &options) : ring_(RING) {
    verifyrcpt_begin(&client_, options.servers.c_str(), remark, nullptr);
    client_.observe = 0;  // it makes questions hurried
    if (options.sender) verifyrcpt_sender(&client_, options.sender->c_str());
    for (unsigned i = 0; i < client_.servers; ++i)
      servers_.push_back({vrfy_server(client_.server[i], client_.server_text[i])});
    buffer_.resize(VRFY_ADDRESS_MAX + QV_QUESTION_WRITTEN_MAX + QUESTION_MIN);
  }
  ~daemon_asker() override { verifyrcpt_end(&client_); }

  void ask(const source &next, const sink &answered) override {
    bool more = true;
    while (more || count_) {
      now_ = sockbits_now_ms();
      if (more) more = fill(next);
      one_by_one_ ? ask_first_alone() : settle();
      if (!deliver(answered) && count_) wait();
    }
  }

 private:
  static void remark(void *, const char *text) { vrfy_say(vrfy_safe_sentence(text)); }

  // A server, and what has been heard of it.
  struct known {
    vrfy_server server;
    long long heard_ms = 0;   // its last answer
    bool silent = false;      // it was, when it was last waited for
    bool extended = false;    // it has given an extended answer
    bool ignored = false;     // it has given a plain one that does not count
  };

  question &at(unsigned i) { return ring_[(head_ + i) % RING]; }

  // ---- from the source, to the sink

  // Takes what there is room for. False: there is no more.
  bool fill(const source &next) {
    const unsigned most = one_by_one_ ? 1 : RING;
    while (count_ < most && flying_ < WINDOW && flying_bytes_ < WINDOW_BYTES && (!count_ || ready())) {
      question &q = at(count_);
      if (!next(q.address)) return false;
      now_ = sockbits_now_ms();  // it may have waited
      ++count_;
      begin(q);
    }
    return true;
  }

  // Hands out what has been answered, as far as its turn has come. False: nothing.
  bool deliver(const sink &answered) {
    const bool any = count_ && !at(0).waiting;
    for (; count_ && !at(0).waiting; --count_, head_ = (head_ + 1) % RING) answered(at(0).address, at(0).answer);
    return any;
  }

  // ---- a question's beginning

  void begin(question &q) {
    q.waiting = false;
    q.answer = {};
    if (vrfy_cannot_be_asked(q.address, q.answer)) return;
    if (client_.servers == 0) return fail(q, std::string("not asked: ") + client_.unusable_why);
    if (is_given_up()) return fail(q, "not asked, as nobody answers: " + nobody_);
    if (one_by_one_) return ask_alone(q);
    if (const int error = write(q)) return fail(q, std::string("not asked: no random numbers: ") + strerror(error));
    q.waiting = true;
    q.begin_ms = now_;
    q.asked = 0;
    ++flying_;
    flying_bytes_ += q.bytes.size();
    line_up(q);
    ask_next(q);
  }

  static void fail(question &q, const std::string &why) {
    q.answer = {};
    q.answer.why = vrfy_safe_sentence(why);
  }

  // The bytes of the question; the last two of its nonce are its place in the ring.
  // Returns 0, or errno.
  int write(question &q) {
    const auto place = static_cast<size_t>(&q - ring_.data());
    if (const int error = random_.take(q.nonce)) return error;
    q.nonce[QV_NONCE_SIZE - 2] = static_cast<unsigned char>(place >> 8);
    q.nonce[QV_NONCE_SIZE - 1] = static_cast<unsigned char>(place & 0xff);
    packet_question p{};
    p.address = q.address.data();
    p.address_len = q.address.size();
    p.extended = 1;
    p.nonce = q.nonce;
    if (client_.sender_known) {
      p.sender = client_.sender;
      p.sender_len = client_.sender_len;
    }
    size_t len = packet_write_question(&p, buffer_.data(), buffer_.size());
    if (len < QUESTION_MIN) {
      static const unsigned char filling[QUESTION_MIN] = {};
      packet_put_field(buffer_.data(), buffer_.size(), &len, QV_FIELD_FILLING, filling, QUESTION_MIN - len);
    }
    q.bytes.assign(reinterpret_cast<const char *>(buffer_.data()), len);
    return 0;
  }

  // Servers in their order, those that were silent lately after the others.
  void line_up(question &q) {
    unsigned n = 0;
    for (const bool late : {false, true})
      for (unsigned i = 0; i < servers_.size(); ++i)
        if (servers_[i].silent == late) q.line[n++] = {i, 0, 0};
  }

  // ---- its servers

  // Asks the next server that may be asked, if there is one.
  void ask_next(question &q) {
    while (q.asked < servers_.size()) {
      auto &party = q.line[q.asked++];
      if (!is_usable(party.server)) continue;
      party.first_ms = now_;
      post(q, party.server);
      break;
    }
    plan(q);
  }

  void post(question &q, unsigned server) { servers_[server].server.post(static_cast<unsigned>(&q - ring_.data())); }

  // When there is something to do for it, if nothing is heard before.
  void plan(question &q) {
    q.wake_ms = q.begin_ms + VERIFYRCPT_QUESTION_MS;
    for (unsigned i = 0; i < q.asked; ++i) {
      const auto &party = q.line[i];
      if (!party.first_ms) continue;
      if (i + 1 == q.asked && q.asked < servers_.size())
        q.wake_ms = std::min(q.wake_ms, party.first_ms + VERIFYRCPT_IMPATIENT_MS);
      if (!servers_[party.server].server.is_unix() && party.repeats < std::size(REPEAT_MS))
        q.wake_ms = std::min(q.wake_ms, party.first_ms + REPEAT_MS[party.repeats]);
    }
    wake_ms_ = std::min(wake_ms_, q.wake_ms);
  }

  // Repeats whose time has come, or went by meanwhile, are one. False: there is none.
  bool passes_repeat(long long first_ms, unsigned &repeats) const {
    const unsigned before = repeats;
    while (repeats < std::size(REPEAT_MS) && now_ >= first_ms + REPEAT_MS[repeats]) ++repeats;
    return repeats != before;
  }

  // Its time has come: repeats, the next server, or the end.
  void wake(question &q) {
    if (now_ >= q.begin_ms + VERIFYRCPT_QUESTION_MS) return expire(q);
    bool next = false;
    for (unsigned i = 0; i < q.asked; ++i) {
      auto &party = q.line[i];
      known &k = servers_[party.server];
      if (!party.first_ms) continue;
      const bool late = now_ >= party.first_ms + VERIFYRCPT_IMPATIENT_MS;
      if (late && k.heard_ms < party.first_ms) k.silent = true;
      next = next || (late && i + 1 == q.asked);
      if (k.server.is_unix() || !passes_repeat(party.first_ms, party.repeats)) continue;
      if (k.server.is_usable()) post(q, party.server);
    }
    if (next && q.asked < servers_.size()) return ask_next(q);
    plan(q);
  }

  void land(question &q) {
    q.waiting = false;
    --flying_;
    flying_bytes_ -= q.bytes.size();
  }

  // Not answered in time. Where nobody has answered anything meanwhile, nobody will.
  void expire(question &q) {
    fail(q, why(q));
    land(q);
    if (std::none_of(servers_.begin(), servers_.end(), [&](const known &k) { return k.heard_ms >= q.begin_ms; })) give_up();
  }

  std::string why(const question &q) const {
    std::string out;
    for (unsigned i = 0; i < q.asked; ++i) {
      const auto &party = q.line[i];
      const vrfy_server &server = servers_[party.server].server;
      out += (out.empty() ? "" : "; ") + server.text() + ": ";
      if (!server.is_usable() || !party.first_ms) {
        out += server.trouble();
      } else {
        const long long tenths = (now_ - party.first_ms + 50) / 100;
        out += "no answer in " + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
      }
      if (servers_[party.server].ignored) out += std::string(", plain answer ignored") + (client_.strict ? " (STRICT)" : "");
    }
    if (client_.unusable) out += std::string(out.empty() ? "" : "; ") + client_.unusable_why;
    return out;
  }

  // ---- all servers

  // What is to be sent is sent, what the servers' states mean for the questions is done.
  void settle() {
    for (bool again = true; again;) {
      again = false;
      for (unsigned i = 0; i < servers_.size(); ++i) {
        vrfy_server &server = servers_[i].server;
        if (now_ >= server.retry_ms()) {
          server.retry();
          post_all(i);
        }
        server.flush([&](unsigned number) { return std::string_view(ring_[number].bytes); }, now_);
        if (!server.has_changed()) continue;
        again = true;
        if (server.is_usable())
          post_all(i);
        else
          pass_on();
      }
    }
    if (flying_ && std::all_of(servers_.begin(), servers_.end(), [](const known &k) { return k.server.is_down(); })) give_up();
  }

  // Whatever has been, or should have been asked there, and is not answered.
  void post_all(unsigned server) {
    for (unsigned k = 0; k < count_; ++k) {
      question &q = at(k);
      for (unsigned i = 0; q.waiting && i < q.asked; ++i) {
        if (q.line[i].server != server) continue;
        if (!q.line[i].first_ms) q.line[i].first_ms = now_;
        post(q, server);
        plan(q);
      }
    }
  }

  bool is_usable(unsigned server) const { return servers_[server].server.is_usable(); }

  // Questions that no usable server has go to the next one.
  void pass_on() {
    for (unsigned k = 0; k < count_; ++k) {
      question &q = at(k);
      const auto end = q.line + q.asked;
      if (q.waiting && std::none_of(q.line, end, [&](const auto &p) { return is_usable(p.server); })) ask_next(q);
    }
  }

  // Nobody is there: the questions on their way fail, and those that would follow.
  void give_up() {
    given_up_ms_ = now_;
    for (unsigned k = 0; k < count_; ++k) {
      question &q = at(k);
      if (!q.waiting) continue;
      fail(q, why(q));
      nobody_ = q.answer.why;
      land(q);
    }
  }

  // For a while; then they are tried again: a list may come from a pipe that never ends.
  bool is_given_up() {
    if (!given_up_ms_ || now_ - given_up_ms_ < REST_MS) return given_up_ms_ != 0;
    for (known &k : servers_) k.server.reset();
    given_up_ms_ = 0;
    return false;
  }

  // ---- answers

  void wait() {
    std::vector<pollfd> fds;
    long long until = wake_ms_;
    for (const known &k : servers_) {
      const vrfy_server &server = k.server;
      fds.push_back({server.fd(), static_cast<short>(POLLIN | (server.wants_to_send() ? POLLOUT : 0)), 0});
      until = std::min(until, server.retry_ms());
    }
    sockbits_wait(fds.data(), fds.size(), until);
    now_ = sockbits_now_ms();
    for (unsigned i = 0; i < servers_.size(); ++i)
      if (fds[i].revents & ~POLLOUT) servers_[i].server.hear([&](std::string_view datagram) { take(i, datagram); }, now_);
    if (now_ >= wake_ms_) wake_all();
  }

  void wake_all() {
    wake_ms_ = LLONG_MAX;
    for (unsigned k = 0; k < count_; ++k) {
      question &q = at(k);
      if (!q.waiting) continue;
      if (now_ >= q.wake_ms)
        wake(q);
      else
        wake_ms_ = std::min(wake_ms_, q.wake_ms);
    }
  }

  void take(unsigned server, std::string_view datagram) {
    packet_answer a;
    if (packet_read_answer(datagram.data(), datagram.size(), &a) == -1 && !datagram.empty()) return;
    if (datagram.empty() || !a.extended) return plain(server);
    const size_t place = static_cast<size_t>(a.nonce[QV_NONCE_SIZE - 2]) << 8 | a.nonce[QV_NONCE_SIZE - 1];
    if (place >= RING) return;
    question &q = ring_[place];
    if (!q.waiting || memcmp(q.nonce, a.nonce, QV_NONCE_SIZE) != 0) return;
    q.answer.verdict = verdict_of(a.status & QV_RESULT_BITS, a.reason);
    q.answer.reason = a.reason;
    q.answer.position = (a.status & QV_POSITION_BITS) >> 4;
    q.answer.user.assign(a.user, std::min<size_t>(a.user_len, VERIFYRCPT_USER_MAX));
    land(q);
    known &k = servers_[server];
    k.heard_ms = now_;
    k.extended = true;
    k.silent = false;
    k.server.has_answered();
  }

  // A plain answer, which may be to any of the questions.
  void plain(unsigned server) {
    if (client_.strict || servers_[server].extended)
      servers_[server].ignored = true;
    else
      one_by_one_ = true;
  }

  // ---- one at a time
  //
  // The sockets on which answers may still arrive stay open, unread: nobody else gets
  // their ports, and with them what is no answer to his question.

  void ask_first_alone() {
    if (!count_ || !at(0).waiting) return;
    land(at(0));
    ask_alone(at(0));
  }

  void ask_alone(question &q) {
    verifyrcpt_answer from;
    verifyrcpt(&client_, q.address.c_str(), &from);
    q.answer.verdict = from.reason ? verdict_of(from.result, from.reason) : verdict_of(from.result);
    q.answer.reason = from.reason;
    q.answer.position = from.position;
    q.answer.user = from.user;
    if (from.server[0])
      client_.waited_ms = 0;  // a list may take as long as it takes, as long as somebody answers
    else
      q.answer.why = vrfy_safe_sentence(from.why);
  }

  struct verifyrcpt client_;  // what VERIFY says; asks where it is one question at a time
  std::vector<known> servers_;
  std::vector<question> ring_;
  unsigned head_ = 0, count_ = 0;  // those that are not delivered
  unsigned flying_ = 0;            // those of them that wait for an answer
  size_t flying_bytes_ = 0;
  std::vector<unsigned char> buffer_;
  randomness random_;
  long long now_ = 0, wake_ms_ = LLONG_MAX, given_up_ms_ = 0;
  std::string nobody_;  // why nobody is asked
  bool one_by_one_ = false;
};

}  // namespace

std::unique_ptr<vrfy_asker> vrfy_daemon(const vrfy_options &options) {
  return std::make_unique<daemon_asker>(options);
}
