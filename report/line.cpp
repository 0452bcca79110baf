// line.cpp - see line.h.

#include "line.h"

#include <algorithm>
#include <iterator>

namespace {

using event = report_event;

constexpr long long TAI64_AT_1970 = 4611686018427387914;  // 2^62 and 10, as tai64nlocal has it
constexpr long long YEAR_10000 = 253402300800;

// ---- pieces of a line

bool cut_front(std::string_view &text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

bool cut_back(std::string_view &text, std::string_view back) {
  if (!text.ends_with(back)) return false;
  text.remove_suffix(back.size());
  return true;
}

// What stands before the next blank, which is taken off, too.
std::string_view cut_word(std::string_view &text) {
  const size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  text = blank == text.npos ? std::string_view() : text.substr(blank + 1);
  return word;
}

// A number at the front; at most what has 18 digits.
bool cut_number(std::string_view &text, unsigned long long &number) {
  size_t n = 0;
  number = 0;
  for (; n < text.size() && n < 18 && text[n] >= '0' && text[n] <= '9'; ++n)
    number = number * 10 + static_cast<unsigned>(text[n] - '0');
  text.remove_prefix(n);
  return n > 0;
}

// "<words>" and nothing behind it.
bool in_angles(std::string_view text, std::string_view &words) {
  if (!cut_front(text, "<") || !cut_back(text, ">")) return false;
  words = text;
  return true;
}

bool is_reason(std::string_view word) {
  return !word.empty() && word.size() <= 32 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// ---- qmail-verify

// "N log lines were dropped: ..."
bool is_dropped(std::string_view text, unsigned long long &number) {
  return cut_number(text, number) &&
         (text.starts_with(" log line was dropped") || text.starts_with(" log lines were dropped"));
}

// "REASON ABOUT": the end of a decision. A line of 1.32 has nothing there.
void read_reason(std::string_view text, report_line &line) {
  std::string_view word = cut_word(text);
  if (word == "policy-observe") {
    line.observed = true;
    word = cut_word(text);
  }
  if (is_reason(word)) line.reason = word;
  line.about = text;
}

// "USER. REASON ABOUT"; the user has no blank.
bool read_user(std::string_view text, report_line &line) {
  line.user = cut_word(text);
  if (!cut_back(line.user, ".")) return false;
  read_reason(text, line);
  return true;
}

// "ADDRESS permitted for ...": the address has no blank in it.
bool read_decision(std::string_view text, report_line &line) {
  const std::string_view address = cut_word(text);
  if (address.empty()) return false;
  line.address = address == "<>" ? std::string_view() : address;
  if (cut_front(text, "permitted for ")) {
    line.event = event::permitted;
    return read_user(text, line);
  }
  if (cut_front(text, "not answered for ")) {
    line.event = event::not_answered;
    return read_user(text, line);
  }
  if (!cut_front(text, "denied.")) return false;
  line.event = event::denied;
  cut_front(text, " ");
  read_reason(text, line);
  return true;
}

// "a look at PATH did not come back in N ms: addresses that need PLACE are ..."
bool read_hang(std::string_view text, report_line &line) {
  if (!cut_front(text, "a look at ")) return false;
  cut_word(text);
  if (!cut_front(text, "did not come back in ") || !cut_number(text, line.number)) return false;
  if (!cut_front(text, " ms: addresses that need ")) return false;
  line.about = cut_word(text);
  return text.starts_with("are answered");
}

// "SMTP client ADDRESS asked ...", or, where there are many of them, one line for the
// others: "in the minute of the last N such lines N more SMTP clients went over a limit".
bool read_limited(std::string_view text, report_line &line) {
  line.number = 1;
  if (cut_front(text, "SMTP client ")) return !cut_word(text).empty() && text.starts_with("asked ");
  unsigned long long lines;
  return cut_front(text, "in the minute of the last ") && cut_number(text, lines) && cut_front(text, " such lines ") &&
         cut_number(text, line.number) && text.starts_with(" more SMTP clients went over a limit");
}

// What keeps many questions from being answered: troubles.cpp says what, and then the
// same words for each kind; the others are told by their beginning, up to a colon.
bool read_trouble(std::string_view text, report_line &line) {
  constexpr std::string_view mark = "; addresses that need this are answered \"temporary\" until that is mended: ";
  constexpr std::string_view fronts[] = {"out of memory: some questions are not answered",
                                         "cannot fork a worker, tried again every second: ",
                                         "questions come over the UNIX socket faster than they can be judged: ",
                                         "no descriptor or memory for one more connection to the UNIX socket: "};
  if (const size_t at = text.find(mark); at != text.npos) {
    line.about = text.substr(0, at);
    return true;
  }
  unsigned long long workers;
  std::string_view rest = text;
  const bool stuck = cut_number(rest, workers) && rest.starts_with(" workers are stuck in homes: ");
  if (!stuck && std::none_of(std::begin(fronts), std::end(fronts), [&](auto front) { return text.starts_with(front); }))
    return false;
  line.about = text.substr(0, text.find(": "));
  return true;
}

bool is_worker_end(std::string_view text) {
  unsigned long long pid;
  return cut_front(text, "worker ") && cut_number(text, pid) && text.starts_with(" ended by ");
}

void read_daemon(std::string_view text, report_line &line) {
  line.event = event::other;
  if (text.starts_with("Listening on "))
    line.event = event::daemon_start;
  else if (is_worker_end(text))
    line.event = event::worker_ended;
  else if (read_limited(text, line))
    line.event = event::client_limited;
  else if (is_dropped(text, line.number))
    line.event = event::daemon_dropped;
  else if (read_hang(text, line))
    line.event = event::place_hangs;
  else if (!read_decision(text, line))  // before troubles: a path in a decision may be anybody's words
    line.event = read_trouble(text, line) ? event::daemon_trouble : event::other;
}

// ---- qmail-smtpd

// Events whose line is always the same.
struct whole_line {
  std::string_view text;
  report_event event;
};
constexpr whole_line WHOLE[] = {
    {"New session", event::session_begin},
    {"Session RSET", event::transaction_reset},
    {"Sender address in badmailfrom", event::bad_sender},
    {"Unverified mailbox at RCPT time", event::unverified_rcpt},
    {"Unverified mailbox(es) at DATA time", event::unverified_data},
    {"Too many invalid recipients: quitting", event::too_many_invalid},
    {"Timeout (no response from verification server)", event::failure},
    {"Exceeded DATABYTES limit", event::message_rejected},
    {"Exceeded hop count", event::message_rejected},
    {"qqt failure", event::message_rejected},
    {"Remote end QUIT: quitting", event::end_quit},
    {"Read error (disconnect?): quitting", event::end_lost},
    {"Write error (disconnect?): quitting", event::end_lost},
    {"Connection timed out: quitting", event::end_timeout},
    {"Stray newline: quitting", event::end_other},
    {"Unable to read controls: quitting", event::end_other},
    {"Unable to figure out my IP addresses: quitting", event::end_other},
    {"Out of memory: quitting", event::end_other},
};

// Why, without ", user USER, server SERVER". The user has no blank; a path may have.
void cut_user_and_server(std::string_view &why, report_line &line) {
  constexpr std::string_view user = ", user ", server = ", server ";
  if (const size_t at = why.rfind(server); at != why.npos) {
    line.server = why.substr(at + server.size());
    why = why.substr(0, at);
  }
  const size_t at = why.rfind(user);
  if (at == why.npos || why.find(' ', at + user.size()) != why.npos) return;
  line.user = why.substr(at + user.size());
  why = why.substr(0, at);
}

// "(OBSERVE), else 550"
void read_observed(std::string_view why, report_line &line) {
  constexpr std::string_view observed = "accepted all the same (OBSERVE), else ";
  const size_t at = why.rfind(observed);
  if (at == why.npos) return;
  unsigned long long code = 0;
  why.remove_prefix(at + observed.size());
  cut_number(why, code);
  line.observed = true;
  line.would = code == 550 || code == 421 ? static_cast<unsigned>(code) : 451;
}

// What a plain answer says: qv_position_text.
constexpr std::string_view POSITIONS[] = {"no extension", "default dot-qmail", "home or user", "position unknown"};

std::string_view reason_of(std::string_view why) {
  for (const std::string_view words : POSITIONS)
    if (why.starts_with(words)) return words;
  const size_t end = why.find_first_of(":; (,");
  const std::string_view word = why.substr(0, end);
  // "127.0.0.1:11113: no answer", "not asked: ..." are no reasons
  return is_reason(word) && !(word[0] >= '0' && word[0] <= '9') && !why.starts_with("not asked") ? word
                                                                                                 : std::string_view();
}

// "verify: WHAT ADDRESS: WHY, user USER, server SERVER": the address has no blank in it.
void read_verify(std::string_view text, report_line &line) {
  const std::string_view what = cut_word(text);
  line.event = what == "refused"     ? event::verify_refused
               : what == "invalid"   ? event::verify_invalid
               : what == "temporary" ? event::verify_temporary
               : what == "valid"     ? event::verify_valid
                                     : event::other;
  if (line.event == event::other) return;
  line.address = cut_word(text);
  if (!cut_back(line.address, ":")) cut_back(line.address, ",");
  if (line.event == event::verify_refused && text.starts_with("too many recipients, no room after ")) {
    line.event = event::no_room;
    return;
  }
  cut_user_and_server(text, line);
  line.why = text;
  line.reason = reason_of(text);
  read_observed(text, line);
  line.open = text.ends_with("accepted unverified (OPEN)");
  line.not_asked = text.starts_with("not asked: this session has had ");
}

// "Message accepted, qp N (N recipients, N bytes)"
void read_accepted(std::string_view text, report_line &line) {
  const size_t comma = text.rfind(", ");
  line.event = event::message_accepted;
  if (comma == text.npos) return;
  text.remove_prefix(comma + 2);
  cut_number(text, line.number);
}

bool read_with_address(std::string_view text, report_line &line) {
  constexpr struct {
    std::string_view front;
    report_event event;
  } fronts[] = {{"Recipient domain not in rcpthosts ", event::no_gateway},
                {"Recipient ", event::recipient},
                {"Sender ", event::sender}};
  for (const auto &[front, what] : fronts) {
    std::string_view rest = text;
    if (!cut_front(rest, front) || !in_angles(rest, line.address)) continue;
    line.event = what;
    return true;
  }
  return false;
}

void read_session(std::string_view text, report_line &line) {
  line.event = event::other;
  if (cut_front(text, "verify: ")) {
    if (is_dropped(text, line.number))
      line.event = event::smtpd_dropped;
    else
      read_verify(text, line);
    return;
  }
  const auto is_this = [&](const whole_line &w) { return w.text == text; };
  const auto whole = std::find_if(std::begin(WHOLE), std::end(WHOLE), is_this);
  if (whole != std::end(WHOLE))
    line.event = whole->event;
  else if (read_with_address(text, line))
    return;
  else if (text.starts_with("Received HELO ") || text.starts_with("Received EHLO "))
    line.event = event::transaction_reset;
  else if (text.starts_with("temporary failure ("))
    line.event = event::failure;
  else if (text.starts_with("RCPT with too long address ("))
    line.event = event::too_long;
  else if (text.starts_with("Message accepted, "))
    read_accepted(text, line);
  else if (text.starts_with("Message rejected ("))
    line.event = event::message_rejected;
}

// "pid N from ADDRESS: ": IPv6 addresses have colons.
bool read_smtpd(std::string_view text, report_line &line) {
  constexpr std::string_view not_yet = "(not yet set): ";
  const std::string_view whole = text;
  unsigned long long pid;
  if (!cut_front(text, "pid ") || !cut_number(text, pid) || !cut_front(text, " from ")) return false;
  if (text.starts_with(not_yet)) {
    line.client = text.substr(0, not_yet.size() - 2);
    text.remove_prefix(not_yet.size());
  } else {
    line.client = cut_word(text);
    if (!cut_back(line.client, ":")) return false;
  }
  line.session = whole.substr(4, static_cast<size_t>(line.client.data() + line.client.size() - whole.data()) - 4);
  read_session(text, line);
  return true;
}

}  // namespace

std::optional<long long> report_tai64n(std::string_view &text) {
  constexpr size_t DIGITS = 24;
  if (text.size() <= DIGITS || text[0] != '@') return {};
  unsigned long long seconds = 0;
  for (size_t i = 1; i <= DIGITS; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit == -1) return {};
    if (i <= 16) seconds = seconds << 4 | static_cast<unsigned>(digit);
  }
  if (seconds < TAI64_AT_1970 || seconds - TAI64_AT_1970 >= YEAR_10000) return {};
  text.remove_prefix(DIGITS + 1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  return static_cast<long long>(seconds - TAI64_AT_1970);
}

report_line report_line_read(std::string_view text) {
  report_line line;
  line.seconds = report_tai64n(text);
  if (cut_front(text, "qmail-verify: "))
    read_daemon(text, line);
  else if (cut_front(text, "qmail-smtpd: "))
    read_smtpd(text, line);
  return line;
}

bool report_next_trouble(std::string_view &why, report_server_trouble &trouble) {
  constexpr std::string_view cannot_tell = " cannot tell now";
  while (!why.empty()) {
    const size_t end = std::min(why.find("; "), std::min(why.find(" ("), why.find(')')));
    std::string_view piece = why.substr(0, end);
    why.remove_prefix(end == why.npos ? why.size() : end + 1);
    why.remove_prefix(std::min(why.find_first_not_of(" ("), why.size()));
    if (piece.empty() || !(piece[0] == '/' || piece[0] == '[' || (piece[0] >= '0' && piece[0] <= '9'))) continue;
    trouble = {};
    if (piece.ends_with(cannot_tell)) {
      trouble.kind = report_server_trouble::cannot_tell;
      trouble.server = piece.substr(0, piece.size() - cannot_tell.size());
      return true;
    }
    const size_t colon = piece.find(": ");
    if (colon == piece.npos) continue;
    trouble.server = piece.substr(0, colon);
    piece.remove_prefix(colon + 2);
    unsigned long long whole, tenths;
    if (cut_front(piece, "no answer in ") && cut_number(piece, whole) && cut_front(piece, ".") &&
        cut_number(piece, tenths)) {
      trouble.kind = report_server_trouble::silent;
      trouble.tenths = whole * 10 + tenths;
    }
    return true;
  }
  return false;
}
