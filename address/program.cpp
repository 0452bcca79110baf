// program.cpp - see program.h.

#include "program.h"

outcome program_read(const delivery &, std::string_view) { return outcome_of(QV_REASON_PROGRAM); }

std::string_view program_name(const delivery &, const shell_word &) { return {}; }
