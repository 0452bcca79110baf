// genkey.cpp - qmail-vrfy --genkey: a new line for control/verifykeys.

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "options.h"
#include "output.h"
#include "qmail/keys_table.h"
#include "say.h"

namespace {

using secret = decltype(key_entry::secret);

// From the kernel's generator: 16 bytes come whole, once it has been seeded.
bool draw(secret &bytes) {
  ssize_t n;
  do n = getrandom(bytes.data(), bytes.size(), 0);
  while (n == -1 && errno == EINTR);
  if (n == static_cast<ssize_t>(bytes.size())) return true;
  vrfy_say_errno("no random bytes", n == -1 ? errno : EIO);
  return false;
}

std::string in_digits(const secret &bytes) {
  std::string digits;
  for (const unsigned char byte : bytes) digits += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return digits;
}

// k and the day, by universal time: hosts in different zones give it the same.
std::string id_of_today() {
  const time_t now = time(nullptr);
  struct tm day {};
  char text[KEY_ID_MAX];
  gmtime_r(&now, &day);
  return {text, strftime(text, sizeof text, "k%Y%m%d", &day)};
}

}  // namespace

int vrfy_genkey(const vrfy_options &options) {
  secret bytes{};
  if (!draw(bytes)) return VRFY_TROUBLE;
  vrfy_output out;
  out.put((options.key_id.empty() ? id_of_today() : options.key_id) + ":" + in_digits(bytes) + "\n");
  const int code = out.end();
  if (!code && isatty(STDOUT_FILENO))
    vrfy_say("append this line to control/verifykeys of both hosts, which has to be root's with mode 0600, "
             "and send it over a way that nobody else reads; see qmail-verifykeys(5)");
  return code;
}
