// vmailmgr.cpp - see vmailmgr.h.

#include "vmailmgr.h"

outcome vmailmgr_read(const delivery &, const shell_command &) { return outcome_of(QV_REASON_PROGRAM); }
