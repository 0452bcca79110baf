// qd1.cpp - see qd1.h. HTTP: RFC 9112, as far as a request without a body goes.

#include "qd1.h"

#include "escape.h"
#include "qmail/text.h"

namespace {

constexpr size_t REQUEST_MAX = 16384;
constexpr std::string_view DELIVERABLE = "/qd1/deliverable", QMAIL_LOCAL = "/qd1/qmail_local";

// What an answer needs to know of its request: letters in its tag.
constexpr char TAG_HEAD = 'H', TAG_LOCAL = 'L', TAG_CLOSE = 'C';

std::string response(std::string_view status, std::string_view body, std::string_view tag) {
  const bool bodiless = status.starts_with("204"), close = tag.find(TAG_CLOSE) != tag.npos;
  std::string out = "HTTP/1.1 ";
  out.append(status).append("\r\n");
  if (status.starts_with("405")) out.append("Allow: GET, HEAD\r\n");
  if (!bodiless) out.append("Content-Type: text/plain\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n");
  out.append(close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n");
  if (!bodiless && tag.find(TAG_HEAD) == tag.npos) out.append(body);
  return out;
}

int number_of(const gate_answer &answer) {
  if (answer.decision == gate_decision::refuse) return 0;
  switch (answer.reason) {
    case QV_REASON_VPOPMAIL_USER:
    case QV_REASON_VPOPMAIL_OWN:
    case QV_REASON_VPOPMAIL_ELSEWHERE: return 0xf2;
    case QV_REASON_VPOPMAIL_CATCHALL:
    case QV_REASON_VPOPMAIL_DELETE: return 0xf4;
    default: break;
  }
  if (answer.verdict == QV_REMOTE) return 0xff;
  return answer.verdict == QV_UNKNOWN || answer.reason == QV_REASON_PROGRAM_ACCEPTS ? 0x12 : 0xf1;
}

// Takes a line off text, without its end.
std::string_view cut_line(std::string_view &text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A field that matters. What it says ends with the connection, or makes the request one that
// has a body.
struct fields {
  bool close = false, keep = false, body = false;
};

void read_field(std::string_view line, fields &f) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  const std::string name = text_lower(line.substr(0, colon)), value = text_lower(line.substr(colon + 1));
  if (name == "connection") {
    f.close = f.close || value.find("close") != value.npos;
    f.keep = f.keep || value.find("keep-alive") != value.npos;
  }
  if (name == "transfer-encoding" || (name == "content-length" && value.find_first_not_of(" \t0") != value.npos)) f.body = true;
}

// Behind the empty line that ends the head; npos: it is not whole yet.
size_t head_size(std::string_view input) {
  for (size_t at = 0; (at = input.find('\n', at)) != input.npos; ++at) {
    const std::string_view rest = input.substr(at + 1);
    if (rest.starts_with('\n')) return at + 2;
    if (rest.starts_with("\r\n")) return at + 3;
  }
  return input.npos;
}

class qd1 : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override;
  size_t request_max() const override { return REQUEST_MAX; }

 private:
  static bool begin(std::string_view line, gate_request &request, std::string_view &target, std::string &status, bool &old);
  static void look_up(std::string_view target, gate_request &request, std::string &status);
};

// METHOD TARGET VERSION. False: it is no such line.
bool qd1::begin(std::string_view line, gate_request &request, std::string_view &target, std::string &status, bool &old) {
  const size_t first = line.find(' '), second = line.rfind(' ');
  if (first == line.npos || first == second) return false;
  const std::string_view method = line.substr(0, first), version = line.substr(second + 1);
  target = line.substr(first + 1, second - first - 1);
  if (!version.starts_with("HTTP/1.") || method.empty()) return false;
  old = version == "HTTP/1.0";
  if (method == "HEAD") request.tag += TAG_HEAD;
  if (method != "GET" && method != "HEAD") status = "405 Method Not Allowed";
  if (target.starts_with("http://")) target.remove_prefix(std::min(target.find('/', 7), target.size()));
  return true;
}

void qd1::look_up(std::string_view target, gate_request &request, std::string &status) {
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  std::string &address = request.question.address;
  if (path != DELIVERABLE && path != QMAIL_LOCAL) {
    status = "404 Not Found";
  } else if (mark == target.npos || !gate_unescape(target.substr(mark + 1), address) || address.empty() ||
             address.find('\0') != address.npos) {
    status = "400 Bad Request";
  }
  if (path == QMAIL_LOCAL) request.tag += TAG_LOCAL;
}

gate_request qd1::take(std::string_view input, bool at_end) {
  gate_request request;
  const size_t size = head_size(input);
  if (size == input.npos) {
    if (at_end) request.what = gate_request::kind::close;
    return request;
  }
  std::string_view head = input.substr(0, size), target;
  std::string status;
  bool old = false;
  fields f;
  if (!begin(cut_line(head), request, target, status, old)) {
    request.what = gate_request::kind::close;
    request.complaint = "what came is no HTTP request: closed";
    request.reply = response("400 Bad Request", "", {&TAG_CLOSE, 1});
    return request;
  }
  while (!head.empty()) read_field(cut_line(head), f);
  if (f.body && status.empty()) status = "413 Content Too Large";
  if (status.empty()) look_up(target, request, status);
  request.used = size;
  request.last = f.close || f.body || (old && !f.keep);
  if (request.last) request.tag += TAG_CLOSE;
  request.what = status.empty() ? gate_request::kind::ask : gate_request::kind::reply;
  if (!status.empty()) request.reply = response(status, "", request.tag);
  return request;
}

std::string qd1::answer(const gate_request &request, const gate_answer &answer) const {
  if (answer.decision == gate_decision::retry) return response("503 Service Unavailable", "", request.tag);
  if (request.tag.find(TAG_LOCAL) == request.tag.npos) return response("200 OK", std::to_string(number_of(answer)), request.tag);
  return answer.user.empty() ? response("204 No Content", "", request.tag) : response("200 OK", answer.user, request.tag);
}

}  // namespace

std::unique_ptr<gate_protocol> qd1_protocol() { return std::make_unique<qd1>(); }
