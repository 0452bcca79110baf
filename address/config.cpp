// config.cpp - the settings of this build, for address_config_default.

#include "address.h"
#include "conf.h"

void address_config_default(struct address_config *config) {
  *config = {CONF_BREAK[0], CONF_PATRN, CONF_ALIAS, CONF_QMAILP, CONF_NOFILES, CONF_QMAIL, nullptr, 0, 0};
}
