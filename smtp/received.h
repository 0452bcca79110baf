// received.h - the Received field that begins a message.
//
// Follows received.c and date822fmt.c.

#ifndef SMTP_RECEIVED_H
#define SMTP_RECEIVED_H

#include <ctime>
#include <string>

#include "env.h"

// The field, two lines. helo: what the client called itself where this is not
// its name from the DNS, else null. now: seconds since 1970.
std::string received_field(const smtp_env &env, const std::string *helo, time_t now);

// "D Mon YYYY HH:MM:SS -0000", UTC. Asks nobody about time zones.
std::string received_date(time_t now);

#endif
