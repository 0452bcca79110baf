// words.h - what a refused recipient is told, in qmail-smtpd's words.

#ifndef GATE_WORDS_H
#define GATE_WORDS_H

#include <string>
#include <string_view>

// "550 5.1.1 sorry, ..." and "451 4.3.0 ...": with the enhanced status code in front, too,
// where others than qmail look for it (RFC 3463).
std::string gate_words_refused();
std::string gate_words_retry();

#endif
