// lint_unix.h - the host that lint looks at, and the settings it was built with.

#ifndef VRFY_LINT_UNIX_H
#define VRFY_LINT_UNIX_H

#include <memory>

#include "lint.h"
#include "options.h"

// The qmail directory becomes the working directory. Null after a message.
std::unique_ptr<lint_host> lint_unix_open(const vrfy_options &options);

// As netqmail was built, with VERIFY_FASTFORWARDCDB.
lint_settings lint_unix_settings(const vrfy_options &options);

#endif
