// fuzz_verify.cpp - reading VERIFY and endpoints: whatever the text, the result is consistent and
// what is said about it is one bounded line. Nothing is asked.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "logbits.h"
#include "qmail/text.h"
#include "udpbits.h"
#include "verifyrcpt.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void one_line(const char *text, size_t max) {
  const size_t len = std::strlen(text);
  require(len < max);
  for (size_t i = 0; i < len; ++i) require(static_cast<unsigned char>(text[i]) >= ' ' && text[i] != 0x7f);
}

void note(void *ctx, const char *text) {
  ++*static_cast<size_t *>(ctx);
  one_line(text, 4000);
  require(std::strstr(text, "VERIFY") != nullptr);
}

// An endpoint that is read is written as what is read again as the same.
void read_endpoint(const char *text, size_t len) {
  udp_endpoint ep{}, again{};
  const char *why = nullptr;
  char out[UDP_TEXT_MAX], out_again[UDP_TEXT_MAX];
  if (udp_parse(text, len, QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why) == -1) {
    require(why != nullptr);
    return;
  }
  require((len == 0 || std::memchr(text, 0, len) == nullptr) && (udp_port(&ep) != 0 || text[0] == '/'));
  udp_format(&ep, out);
  require(udp_parse(out, std::strlen(out), "", 0, &again, &why) == 0);
  udp_format(&again, out_again);
  require(!std::strcmp(out, out_again));
}

// Is there an item MAXBAD= with digits and nothing else?
bool has_maxbad(const std::string &text) {
  const std::string items = "," + text_lower(text) + ",";
  const std::string name = "maxbad=";
  for (size_t at = items.find(name); at != items.npos; at = items.find(name, at + 1)) {
    const size_t end = items.find_first_not_of("0123456789", at + name.size());
    if (items.find_first_of(", \t", end) == end) return true;
  }
  return false;
}

// The text as the SMTP client's address and as the sender.
void told(struct verifyrcpt &v, const char *text) {
  verifyrcpt_client(&v, text);
  require(v.client_len == 0 || v.client_len == 4 || v.client_len == 16);
  udp_endpoint ep{};
  if (v.client_len == 4 && !std::strchr(text, ':'))
    require(udp_parse(text, std::strlen(text), "", 1, &ep, nullptr) == 0);
  if (v.client_len == 16) {
    const std::string endpoint = "[" + std::string(text) + "]:1";
    require(udp_parse(endpoint.data(), endpoint.size(), "", 1, &ep, nullptr) == 0);
  }
  verifyrcpt_sender(&v, text);
  require(!v.sender_known == (std::strlen(text) > QV_ADDRESS_MAX));
  require(!v.sender_known || std::string(v.sender, v.sender_len) == text);
  verifyrcpt_reset(&v);
  require(!v.sender_known);
}

void read_verify(const std::string &text) {
  struct verifyrcpt v;
  size_t notes = 0, bound = 1;
  for (char c : text) bound += c == ',';
  const int on = verifyrcpt_begin(&v, text.c_str(), note, &notes);
  require(on == !text.empty() && v.enabled == !text.empty());
  require(notes <= bound && v.servers <= VERIFYRCPT_SERVERS_MAX);
  require(!on || v.servers || v.unusable);
  require(!v.unusable == !v.unusable_why[0]);
  require(!v.observe || (v.open && !v.defer));
  if (!text.empty() && (text[0] == 'D' || text[0] == 'd')) require(v.defer || v.observe);
  one_line(v.unusable_why, sizeof v.unusable_why);
  require(!v.maxbad || has_maxbad(text));
  for (unsigned i = 0; i < v.servers; ++i) read_endpoint(v.server_text[i], std::strlen(v.server_text[i]));
  told(v, text.c_str());
  verifyrcpt_end(&v);
}

void log_it(const uint8_t *data, size_t size) {
  log_line line;
  log_begin(&line);
  log_putsafe(&line, data, size);
  require(line.len < LOG_LINE_MAX);
  for (size_t i = 0; i < line.len; ++i) require(line.text[i] >= 0x21 && line.text[i] <= 0x7e);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto *text = reinterpret_cast<const char *>(data);
  read_endpoint(text, size);
  read_verify(std::string(text, strnlen(text ? text : "", size)));
  log_it(data, size);
  return 0;
}
