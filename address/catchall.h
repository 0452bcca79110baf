// catchall.h - what does the dot-qmail file that decided say?
//
// Reads its lines in qmail-local's order and judges without running anything.
// Programs decide at delivery time: a file that has one is unknown.

#ifndef ADDRESS_CATCHALL_H
#define ADDRESS_CATCHALL_H

#include "dotqmail.h"
#include "qmail-verify.h"

// The reason for what dotqmail_find found (its reason is NONE).
qv_reason catchall_read(const dotqmail_result &found);

#endif
