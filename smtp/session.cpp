// session.cpp - see session.h.

#include "session.h"

#include <algorithm>
#include <climits>
#include <ctime>

#include "qmail/control.h"
#include "qmail/text.h"
#include "received.h"

// ---- the commands

// What is taken of a command's argument.
enum class Argument { none, word, path };

struct session_command {
  std::string_view verb;
  Argument argument;
  bool flush;  // the reply is sent at once, as in netqmail's table
  session::Step (session::*run)();

  // The command of that name, in any case, else the last.
  static const session_command *find(std::string_view word);
  static const session_command table[];
};

const session_command session_command::table[] = {
    {"rcpt", Argument::path, false, &session::rcpt}, {"mail", Argument::path, false, &session::mail},
    {"data", Argument::none, true, &session::data},  {"quit", Argument::none, true, &session::quit},
    {"helo", Argument::word, true, &session::helo},  {"ehlo", Argument::word, true, &session::ehlo},
    {"rset", Argument::none, false, &session::rset}, {"help", Argument::none, true, &session::help},
    {"noop", Argument::none, true, &session::noop},  {"vrfy", Argument::none, true, &session::vrfy},
    {{}, Argument::none, true, &session::unimplemented},
};

const session_command *session_command::find(std::string_view word) {
  const session_command *command = table;
  while (!command->verb.empty() && !text_equal(command->verb, word)) ++command;
  return command;
}

// A verb that has come in: its argument is next.
void session::verb(std::string_view word) {
  command_ = session_command::find(word);
  if (command_->argument == Argument::path) path_.begin();
  word_.clear();
}

void session::argument(std::string_view piece) {
  if (command_->argument == Argument::path) path_.feed(piece);
  if (command_->argument == Argument::word) word_.append(piece.substr(0, HELO_MAX - word_.size()));
}

// ---- begin and end

session::session(session_host &host, queue &to, int in, int out, int log)
    : host_(host),
      queue_(to),
      log_(log),
      replies_(out, log_),
      input_(in, replies_, log_),
      verify_(log_),
      command_(session_command::find({})) {}

int session::end(std::string_view event, std::string_view reply) {
  say(event, reply);
  replies_.flush();
  return 1;
}

// The same where the event has been logged.
session::Step session::close(std::string_view reply) {
  say(reply);
  replies_.flush();
  return Step::lost;
}

int session::controls_unreadable() { return end("Unable to read controls: quitting", reply_no_controls); }

int session::addresses_unknown() { return end("Unable to figure out my IP addresses: quitting", reply_no_addresses); }

void session::out_of_memory() { end("Out of memory: quitting", reply_no_memory); }

void session::begin() {
  replies_.timeout(host_.rules.timeout);
  input_.timeout(host_.rules.timeout);
  log_.remote(host_.env.remote_ip);
  verify_.begin(host_.env.verify, host_.env.remote_ip);
  note_databytes();
  note_old_variables();
  log_.say("New session");
}

namespace {

// Is this a number that an unsigned holds, and nothing else?
bool is_number(std::string_view text) {
  unsigned long number;
  control_scan(text, number);  // begins anew beyond its end
  const size_t zeros = std::min(text.find_first_not_of('0'), text.size());
  if (zeros && zeros == text.size()) return true;
  return number <= UINT_MAX && text.substr(zeros) == std::to_string(number);
}

}  // namespace

// The limit is what netqmail makes of the variable; that it made something else of
// it than was meant should not go unseen.
void session::note_databytes() {
  const char *text = host_.env.databytes;
  if (!text || is_number(text)) return;
  log_.verify("note: DATABYTES=").safe(text).text(" is not a number: the limit is ");
  if (host_.rules.databytes)
    log_.number(host_.rules.databytes).text(" bytes").end();
  else
    log_.text("off").end();
}

// Whoever has upgraded and left them as they were believes that mail is verified.
void session::note_old_variables() {
  const smtp_env &env = host_.env;
  std::string names;
  const auto add = [&](const char *value, const char *name) {
    if (value) names.append(names.empty() ? "" : ", ").append(name);
  };
  add(env.verifydefer, "VERIFYDEFER");
  add(env.verifysvr, "VERIFYSVR");
  add(env.denyall, "QMAILRRTDENYALL");
  if (names.empty()) return;
  log_.verify("note: ").text(names).text(" set, without effect now: VERIFY alone counts, see qmail-verify-migrate(8)").end();
}

int session::run() {
  replies_.put("220 ");
  replies_.put(host_.rules.greeting);
  replies_.put(" ESMTP\r\n");
  while (line_read(input_, *this)) {
    const Step step = (this->*command_->run)();
    if (command_->flush) replies_.flush();
    if (step == Step::lost || replies_.failed()) return 1;
    if (step == Step::quit) return 0;
  }
  return 1;
}

session::Step session::say(std::string_view reply) {
  replies_.put(reply);
  return Step::go_on;
}

session::Step session::say(std::string_view event, std::string_view reply) {
  log_.say(event);
  return say(reply);
}

// ---- small commands

void session::set_helo() {
  seen_mail_ = false;
  verify_.reset();
  helo_ = word_;
  helo_differs_ = !text_equal(helo_, host_.env.remote_host);
}

session::Step session::helo() {
  log_.line("Received HELO ").clean(word_).end();
  set_helo();
  replies_.put("250 ");
  replies_.put(host_.rules.greeting);
  return say("\r\n");
}

session::Step session::ehlo() {
  log_.line("Received EHLO ").clean(word_).end();
  set_helo();
  replies_.put("250-");
  replies_.put(host_.rules.greeting);
  return say("\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
}

session::Step session::rset() {
  seen_mail_ = false;
  verify_.reset();
  return say("Session RSET", reply_flushed);
}

session::Step session::noop() { return say("NOOP", reply_ok); }

session::Step session::vrfy() { return say("VRFY requested", reply_vrfy); }

session::Step session::help() { return say(reply_help); }

session::Step session::unimplemented() { return say("Unimplemented command", reply_unimplemented); }

session::Step session::quit() {
  log_.say("Remote end QUIT: quitting");
  replies_.put("221 ");
  replies_.put(host_.rules.greeting);
  replies_.put("\r\n");
  return Step::quit;
}

// ---- MAIL and RCPT

// The argument of MAIL or RCPT. False: it was too long, and this has been said.
bool session::parse(std::string_view command, address &parsed) {
  path_result result = path_.end({host_.own, host_.rules.localiphost});
  if (result.too_long()) {
    log_.line(command).text(" with too long address (").number(result.size).text(" bytes) given").end();
    say(reply_syntax);
    return false;
  }
  parsed = std::move(result.parsed);
  return true;
}

// A MAIL that is refused leaves the transaction that it would have ended.
session::Step session::mail() {
  address sender;
  if (!parse("MAIL", sender)) return Step::go_on;
  log_.line("Sender <").clean(sender.text()).text(">").end();
  verify_.mail(sender);
  bad_sender_ = host_.rules.bad_sender(sender);
  seen_mail_ = true;
  envelope_.begin(sender.text());
  return say(reply_ok);
}

session::Step session::rcpt() {
  if (!seen_mail_) return say("Attempted RCPT or DATA before MAIL", reply_want_mail);
  address recipient;
  if (!parse("RCPT", recipient)) return Step::go_on;
  if (bad_sender_) return say("Sender address in badmailfrom", reply_bad_sender);
  if (host_.env.relayclient) recipient.append(host_.env.relayclient);
  Step answered;
  if (!admit(recipient, answered)) return answered;
  envelope_.add(recipient.text());
  log_.line("Recipient <").clean(recipient.text()).text(">").end();
  return say(reply_ok);
}

// Is this recipient to be taken? False: it has been answered. A relay client is
// asked nothing.
bool session::admit(const address &recipient, Step &answered) {
  const bool relay = host_.env.relayclient;
  const Look gateway = relay ? Look::found : host_.rules.allowed(recipient);
  answered = Step::go_on;
  if (gateway == Look::failed) {
    controls_unreadable();
    answered = Step::lost;
  } else if (gateway == Look::absent) {
    log_.line("Recipient domain not in rcpthosts <").clean(recipient.text()).text(">").end();
    say(reply_no_gateway);
  } else if (!envelope_.room_for(recipient.text())) {
    log_.verify("refused ").safe(recipient.text()).text(": too many recipients, no room after ");
    log_.number(envelope_.recipients()).end();
    say(reply_too_many_recipients);
  } else {
    const verifyrcpt_reply verdict = relay ? VERIFYRCPT_ACCEPT : verify_.rcpt(recipient);
    if (verdict == VERIFYRCPT_ACCEPT) return true;
    if (verdict == VERIFYRCPT_CLOSE)
      answered = close(reply_too_many_invalid);
    else
      say(verdict == VERIFYRCPT_REFUSE ? reply_no_mailbox : reply_verify_failure);
  }
  return false;
}

// ---- DATA

session::Step session::data() {
  if (!seen_mail_) return say("Attempted RCPT or DATA before MAIL", reply_want_mail);
  if (!envelope_.recipients()) return say("Attempted DATA before RCPT", reply_want_rcpt);
  if (verify_.close()) return close(reply_too_many_invalid);
  if (verify_.data()) return say(reply_invalid_mailboxes);
  seen_mail_ = false;
  verify_.reset();
  if (!queue_.open()) return say("qqt failure", reply_queue_failure);
  return receive();
}

session::Step session::receive() {
  const unsigned long id = queue_.id();
  say(reply_go_ahead);
  queue_.put(received_field(host_.env, helo_differs_ ? &helo_ : nullptr, time(nullptr)));
  const data_message message = data_receive(input_, queue_, host_.rules.databytes);
  if (message.state == data_scanner::State::more) return Step::lost;
  if (message.state == data_scanner::State::stray_newline) {
    end("Stray newline: quitting", reply_stray_newline);
    return Step::lost;
  }
  outcome(id, message, queue_.close(envelope_));
  return Step::go_on;
}

// A loop counts more than size, and both more than what the queue program said.
void session::outcome(unsigned long id, const data_message &message, const queue_result &result) {
  if (result.outcome == queue_result::Outcome::accepted) {
    log_.line("Message accepted, qp ").number(id).text(" (").number(envelope_.recipients());
    log_.text(" recipients, ").number(message.bytes).text(" bytes)").end();
    say("250 ok " + std::to_string(time(nullptr)) + " qp " + std::to_string(id) + "\r\n");
  } else if (message.looping()) {
    say("Exceeded hop count", reply_looping);
  } else if (message.too_long) {
    say("Exceeded DATABYTES limit", reply_too_long);
  } else {
    const std::string_view code = result.outcome == queue_result::Outcome::permanent ? "554 " : "451 ";
    log_.line("Message rejected (").text(code).text(result.text).text(")").end();
    replies_.put(code);
    replies_.put(result.text);
    say("\r\n");
  }
}
