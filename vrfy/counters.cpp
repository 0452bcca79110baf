// counters.cpp - see counters.h.

#include "counters.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "packet.h"
#include "qmail/fd.h"
#include "say.h"
#include "sockbits.h"
#include "verifyrcpt.h"

namespace {

// An answer is never longer than its question.
constexpr size_t QUESTION = QV_REPLY_MAX;

long long now_us() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

size_t write_question(unsigned char (&to)[QUESTION], const unsigned char *nonce, unsigned type, std::string_view value) {
  static const unsigned char filling[QUESTION] = {};
  packet_question q{};
  q.address = "";
  q.extended = 1;
  q.nonce = nonce;
  size_t len = packet_write_question(&q, to, sizeof to);
  packet_put_field(to, sizeof to, &len, type, value.data(), value.size());
  packet_put_field(to, sizeof to, &len, QV_FIELD_FILLING, filling, sizeof to - len - 3);
  return len;
}

std::string words_of(int error, bool local) {
  if (error == ETIMEDOUT) return "no answer";
  if (error == ECONNREFUSED) return "connection refused";
  if (local && error == EAGAIN) return "too many are waiting there";
  return strerror(error);
}

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == text.npos;
}

// LABEL="VALUE",... ; values are words of ours.
bool read_labels(std::string_view text, vrfy_counter &out) {
  while (!text.empty()) {
    const size_t equals = text.find("=\"");
    const size_t end = equals == text.npos ? text.npos : text.find('"', equals + 2);
    if (end == text.npos || !is_name(text.substr(0, equals))) return false;
    const std::string_view value = text.substr(equals + 2, end - equals - 2);
    if (value.empty() || value.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != value.npos) return false;
    out.labels.emplace_back(text.substr(0, equals), value);
    text.remove_prefix(end + 1);
    if (!text.empty() && text[0] != ',') return false;
    text.remove_prefix(text.empty() ? 0 : 1);
  }
  return true;
}

void read_lines(std::string_view text, vrfy_page &page) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    vrfy_counter one;
    if (vrfy_counter_read(text.substr(0, end), one)) page.lines.push_back(std::move(one));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

}  // namespace

std::vector<vrfy_endpoint> vrfy_endpoints(const vrfy_options &options) {
  struct verifyrcpt client;
  std::vector<vrfy_endpoint> out;
  const auto remark = [](void *, const char *text) { vrfy_say(vrfy_safe_sentence(text)); };
  verifyrcpt_begin(&client, options.servers.c_str(), remark, nullptr);
  for (unsigned i = 0; i < client.servers; ++i) out.push_back({client.server[i], vrfy_safe_sentence(client.server_text[i])});
  if (client.servers == 0) vrfy_say(std::string("no server: ") + vrfy_safe_sentence(client.unusable_why));
  verifyrcpt_end(&client);
  return out;
}

bool vrfy_counter_read(std::string_view line, vrfy_counter &out) {
  out = {};
  const size_t blank = line.rfind(' ');
  if (blank == line.npos) return false;
  std::string_view name = line.substr(0, blank);
  out.value = line.substr(blank + 1);
  if (out.value.empty() || out.value.size() > 20 || out.value.find_first_not_of("0123456789") != out.value.npos) return false;
  if (const size_t brace = name.find('{'); brace != name.npos) {
    if (!name.ends_with('}') || !read_labels(name.substr(brace + 1, name.size() - brace - 2), out)) return false;
    name = name.substr(0, brace);
  }
  out.family = name;
  return is_name(name);
}

namespace {

// Asks about the empty address, with this field.
vrfy_page ask(const vrfy_endpoint &server, unsigned type, std::string_view value, int timeout_ms) {
  unsigned char nonce[QV_NONCE_SIZE], question[QUESTION], answer[QV_REPLY_MAX];
  const bool local = server.endpoint.addr.ss_family == AF_UNIX;
  vrfy_page page;
  if (getrandom(nonce, sizeof nonce, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof nonce)) {
    page.trouble = "no random numbers";
    return page;
  }
  const unique_fd fd(connect_udp(&server.endpoint));
  if (!fd) {
    page.trouble = words_of(errno, local);
    return page;
  }
  const size_t len = write_question(question, nonce, type, value);
  const long long begin = now_us(), end_ms = sockbits_now_ms() + timeout_ms;
  // what is no answer to this question is waited past
  for (bool first = true; !page.answered; first = false) {
    const int left = static_cast<int>(std::max<long long>(end_ms - sockbits_now_ms(), 0));
    pollfd wait{fd.get(), POLLIN, 0};
    if (first && sockbits_send(fd.get(), question, len) == -1) return page.trouble = words_of(errno, local), page;
    if (sockbits_wait(&wait, 1, sockbits_now_ms() + left) == 0) return page.trouble = words_of(ETIMEDOUT, local), page;
    const ssize_t n = sockbits_hear(fd.get(), answer, sizeof answer);
    packet_answer a;
    if (n == -1 && errno == EAGAIN) continue;
    if (n == -1) return page.trouble = words_of(errno, local), page;
    if (n == 0 && local) return page.trouble = "connection closed", page;
    if (packet_read_answer(answer, static_cast<size_t>(n), &a) == -1) continue;
    if (a.extended && memcmp(a.nonce, nonce, sizeof nonce) != 0) continue;
    page.answered = true;
    page.us = now_us() - begin;
    page.extended = a.extended;
    page.counters = a.counters != nullptr;
    page.temporary = (a.status & QV_RESULT_BITS) == QV_RESULT_TEMPORARY;
    page.next = a.counters_next;
    page.flush = a.flush;
    page.flushed = a.flushed;
    if (a.counters) read_lines({a.counters, a.counters_len}, page);
  }
  return page;
}

}  // namespace

vrfy_page vrfy_counters_ask(const vrfy_endpoint &server, unsigned from, int timeout_ms) {
  const char two[2] = {static_cast<char>(from >> 8 & 0xff), static_cast<char>(from & 0xff)};
  return ask(server, QV_FIELD_COUNTERS, {two, sizeof two}, timeout_ms);
}

vrfy_page vrfy_flush_ask(const vrfy_endpoint &server, std::string_view domain, int timeout_ms) {
  return ask(server, QV_FIELD_FLUSH, domain, timeout_ms);
}
