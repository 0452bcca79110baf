// nobody.h - a name that nobody has: who accepts it accepts any.

#ifndef VRFY_NOBODY_H
#define VRFY_NOBODY_H

#include <string>

// 80 random bits, as a word of letters and digits that is in no list of names.
std::string vrfy_nobody();

#endif
