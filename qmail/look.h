// look.h - the outcome of a look at the machine, in three values.
//
// "Could not look" is never "not there": every reader in qmail/ and address/
// returns one of these, with errno kept apart from the answer.

#ifndef QMAIL_LOOK_H
#define QMAIL_LOOK_H

enum class Look {
  found,   // it is there
  absent,  // it is certainly not there
  failed   // could not tell; an errno says why
};

#endif
