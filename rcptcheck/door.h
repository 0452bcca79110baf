// door.h - by whom qmail-rcptcheck is run: what it is asked about, and how it says what
// comes of it.
//
// Three doors, each as the programs have it that bring it:
//   rcptcheck   RCPTCHECK of netqmail's patch and of those after it (addrvalid() in
//               qmail-smtpd.c): RECIPIENT and SENDER; exits 0, 100, 111; with USE_FD4 an
//               SMTP reply on descriptor 4
//   spp         a plugin of qmail-spp (spp() in qmail-spp.c): SMTPRCPTTO; a line on
//               descriptor 1; exit codes do not count there, but for 120: 451
//   recipients  a program in control/recipients (callapam() in recipients.c of
//               SPAMCONTROL): the address on descriptor 3; exits 0, 1, 111
//
// Nothing here asks anybody. What is not known for certain becomes "retry".

#ifndef RCPTCHECK_DOOR_H
#define RCPTCHECK_DOOR_H

#include <string_view>

enum class door { none, rcptcheck, spp, recipients };

enum class verdict { accept, refuse, retry };

// The environment's own strings; null: not set.
struct door_env {
  const char *recipient, *sender;        // RECIPIENT, SENDER
  const char *use_fd4, *rcptfound;       // USE_FD4, RCPTFOUND
  const char *smtprcptto, *smtpmailfrom; // SMTPRCPTTO, SMTPMAILFROM
  const char *smtprcpthostsok;           // SMTPRCPTHOSTSOK
  const char *smtpauthuser;              // SMTPAUTHUSER
  const char *relayclient;               // RELAYCLIENT
  const char *remote_ip, *verify;        // TCPREMOTEIP, VERIFY
};
door_env door_read_env();

// The descriptors as they were inherited. To be looked at before anything is opened.
struct door_fds {
  bool input;  // 0 is open
  bool pipe3;  // 3 is a pipe or a socket
  bool pipe4;  // 4 is a pipe
};
door_fds door_look_at_fds();

// The door that a program's name is for: "rcptcheck", or one that ends in "-spp" or
// "-recipients". none: any other.
door door_by_name(std::string_view path);

// The door that environment and descriptors are of. Where both RECIPIENT and SMTPRCPTTO
// are set (a server that has both doors leaves the second for the first) it is
// descriptor 0: qmail-spp closes it.
door door_by_signs(const door_env &env, const door_fds &fds);

// Is the recipient to be accepted without a question: of a client that may relay or has
// authenticated itself, found by the server already, or none for this host?
bool door_is_settled(door d, const door_env &env);

// Address and sender, as in the envelope. Null: not told. (For recipients: nothing; they
// stand on descriptor 3.)
struct door_question {
  const char *address = nullptr, *sender = nullptr;
};
door_question door_asked(door d, const door_env &env);

// What came on descriptor 3 so far. whole: the address ends at the first NUL. at_end:
// nothing will follow; then one NUL is enough of the three.
enum class door_input { more, whole, broken };
door_input door_read_input(std::string_view bytes, bool at_end);

// The most bytes that are read there: more than the longest address that can be asked about.
inline constexpr size_t DOOR_INPUT_MAX = 4096;

// Says it, as the door has it. Returns the exit code of the program.
int door_say(door d, const door_env &env, const door_fds &fds, verdict v);

#endif
