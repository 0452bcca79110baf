# qmail-verify: make, make demo, make check
#
#   make                          build the programs
#   make QMAIL=/var/qmail BREAK=- PATRN=002 USERS='...' GROUPS='...'
#                                 with netqmail's build settings (these are its
#                                 defaults); qmail-verify -V shows them
#   make CONF=/path/to/netqmail   the same, read from that source's conf-* files
#                                 (what was given last is kept for later makes, in
#                                 build/settings; make clean forgets it)
#   make install [DESTDIR=/elsewhere] [PREFIX=/usr/local] [BINDIR=/var/qmail/bin]
#                                 programs, manual pages, library. What is in the way
#                                 is kept as FILE.before-verify
#   make uninstall [DESTDIR=...]  takes them away again, and puts that back
#   make install-lib [PREFIX=/usr/local] [DESTDIR=/elsewhere] [LIBDIR=...]
#                                 of it only libqmailverify.a, its headers, pkg-config
#                                 file and manual pages; make uninstall-lib undoes it
#   make deb                      Debian packages, in build/deb; make check-deb looks
#                                 them over: lintian, installed and purged again
#   make check [SANITIZE=address,undefined] [CHECK='-k WORDS -v']
#   make check-ldap               users from LDAP through NSS, with Debian's slapd and
#                                 nslcd, unpacked in build/ldap; needs root
#   make patch QMAILSRC=/path/to/source [WRITE=yes] [UNDO=yes]
#                                 puts the question to qmail-verify into the source of
#                                 another qmail-smtpd in C: shows the changes as a diff,
#                                 WRITE=yes makes them, UNDO=yes takes them out again
#   make soak                     the fault table at length
#   make demo [KEEP=1]
#   make bench [PEER=/path/to/qmail-verify] [BENCH='--help'] [BENCH_OUT=folder]
#                                 answers a second, see bench/README; needs root
#   make fuzz [SECONDS=60] [TARGET=cdb]
#                                 look for inputs that break something, so many
#                                 seconds for each target (or for one); needs clang
#   make ... WERROR=1             where warnings are errors

SHELL = /bin/sh
comma = ,
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# ---- netqmail's build settings: those given now, or else those given last
SETTINGS = QMAIL BINDIR SMTPDDIR BREAK PATRN USERS GROUPS
ifneq ($(filter command%,$(foreach name,CONF $(SETTINGS),$(origin $(name)))),)
settings_given = yes
endif
ifeq ($(origin CONF),command line)
ifeq ($(wildcard $(CONF)/conf-qmail),)
$(error CONF=$(CONF): no conf-qmail there; give the folder of the source that your qmail was built from)
endif
first = $(shell sed -n '$(2)p' '$(CONF)/$(1)')
QMAIL = $(call first,conf-qmail,1)
BREAK = $(call first,conf-break,1)
PATRN = $(call first,conf-patrn,1)
USERS = $(shell sed -n '1,8p' '$(CONF)/conf-users' | tr '\n' ' ')
GROUPS = $(shell sed -n '1,2p' '$(CONF)/conf-groups' | tr '\n' ' ')
else
QMAIL = /var/qmail
BREAK = -
PATRN = 002
USERS = alias qmaild qmaill root qmailp qmailq qmailr qmails
GROUPS = qmail nofiles
endif

# Where the programs will be, as the service directories name them that
# qmail-verify-conf and qmail-smtpd-conf make.
BINDIR = $(QMAIL)/bin
SMTPDDIR = $(BINDIR)
ifndef settings_given
-include build/settings
endif

# A setting that is wrong changes verdicts without a word: so it stops make.
setting = $(if $(filter ok,$(shell $(2) && echo ok)),,$(error $(1)))
check_settings := \
  $(call setting,QMAIL=$(QMAIL): give the qmail directory with its full path,printf %s '$(QMAIL)' | grep -q '^/') \
  $(call setting,BINDIR=$(BINDIR) SMTPDDIR=$(SMTPDDIR): give full paths,printf '%s\n' '$(BINDIR)' '$(SMTPDDIR)' | { ! grep -qv '^/'; }) \
  $(call setting,BREAK=$(BREAK): give one character (conf-break),test $$(printf %s '$(BREAK)' | wc -c) = 1) \
  $(call setting,PATRN=$(PATRN): give mode bits in octal digits (conf-patrn),printf %s '$(PATRN)' | grep -qx '[0-7]\{1$(comma)4\}') \
  $(call setting,USERS=$(USERS): give the eight names of conf-users,test $(words $(USERS)) = 8) \
  $(call setting,GROUPS=$(GROUPS): give the two names of conf-groups,test $(words $(GROUPS)) = 2)

# ---- tools and flags
CC = gcc
CXX = g++
AR = ar
OBJCOPY = objcopy
INSTALL = install
WERROR ?=
WARN = -Wall -Wextra -Wconversion -Wshadow $(if $(WERROR),-Werror)
OPT = -O2 -g
# the last two where this compiler has them, for this machine
has_flag = $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>/dev/null && echo $(1))
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
HARDEN_MORE := $(call has_flag,-fstack-clash-protection) $(call has_flag,-fcf-protection)
SANITIZE =
ifeq ($(SANITIZE),)
VARIANT = plain
MODE = $(HARDEN) $(HARDEN_MORE)
# libstdc++ refers weakly to a transactional memory runtime that nobody has: settled
# at link time, so that nothing but libc is left to be found at run time
NO_TM = -Wl,-z,nodynamic-undefined-weak,--defsym=_ZGTtdlPv=0,--defsym=_ZGTtnam=0
LINK_DAEMON = -pie -Wl,-z,relro,-z,now,--as-needed -static-libstdc++ -static-libgcc $(NO_TM)
# What is not used would only be read in and relocated at the start of each session.
# Nobody catches an exception in qmail-smtpd, so one ends the process: at once, without
# libstdc++'s last words (and their demangler) and the 72 KB that it keeps for throwing.
NO_THROW = --defsym=_ZN9__gnu_cxx27__verbose_terminate_handlerEv=abort,--defsym=__cxa_allocate_exception=abort,--defsym=__cxa_free_exception=abort
LINK_STATIC = -static-pie -Wl,-z,relro,-z,now,--gc-sections,$(NO_THROW)
else
VARIANT = sanitize-$(subst $(comma),-,$(SANITIZE))
MODE = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
# (it does not follow the fences of mapped.h, which libqmailverify uses only when told to)
MODE += $(if $(filter thread,$(SANITIZE)),-Wno-tsan)
LINK_DAEMON = -fsanitize=$(SANITIZE)
LINK_STATIC = -fsanitize=$(SANITIZE)
endif
# ENGINE=yes (make fuzz alone sets it): libFuzzer in the place of standalone.cpp
ENGINE =
ifneq ($(ENGINE),)
MODE += -fsanitize=fuzzer-no-link
endif
B = build/$(VARIANT)
CPPFLAGS = -D_GNU_SOURCE -I. -I$(B)
CFLAGS = -std=c11 $(OPT) $(MODE) $(WARN)
CXXFLAGS = -std=c++20 $(OPT) $(MODE) $(WARN)
DEP = -MMD -MP

# ---- what is built
CLIENT = $(addprefix $(B)/,verifyrcpt.o sockbits.o udpbits.o logbits.o)
objects = $(patsubst %.cpp,$(B)/%.o,$(sort $(wildcard $(1)/*.cpp)))
LIBQMAIL = $(call objects,qmail)
LIBADDRESS = $(call objects,address)
LIBDAEMON = $(call objects,daemon)
LIBHUB = $(call objects,hub)
LIBSMTP = $(call objects,smtp)
LIBVRFY = $(call objects,vrfy)
LIBGATE = $(call objects,gate)
LIBCONF = $(call objects,conf)
LIBREPORT = $(call objects,report)
LIBMIGRATE = $(call objects,migrate)
LIBNETQMAIL = $(filter-out %/add-verify.o,$(call objects,netqmail))
LIBRCPTCHECK = $(call objects,rcptcheck)
UNIT = $(call objects,tests/unit)
FUZZ = $(patsubst tests/fuzz/%.cpp,$(B)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.cpp)))

# (a new program: its rule below, its line in PROGRAMS, and it is built and installed)
PROGRAMS = qmail-verify qmail-smtpd qmail-vrfy qmail-verify-gate qmail-verify-conf qmail-smtpd-conf qmail-verify-report qmail-verify-migrate
PROGRAMS += qmail-rcptcheck

EXAMPLES = $(patsubst service/%.in,$(B)/service/%,$(sort $(wildcard $(addsuffix *.in,service/*/ service/*/*/ service/*/*/*/))))
HARAKA = $(addprefix haraka/,package.json index.js README.md config/qmail_verify.ini)
example_mode = $(if $(filter run,$(notdir $(1))),755,644)

.PHONY: all programs library install-lib uninstall-lib clean check soak demo unit fuzz-targets fuzz FORCE
all: programs

programs: $(addprefix $(B)/,$(PROGRAMS)) $(EXAMPLES)
ifeq ($(B),build/plain)
programs: $(PROGRAMS)
$(PROGRAMS): %: $(B)/%
	ln -f $< $@
endif

$(B)/qmail-verify: $(B)/qmail-verify.o $(B)/libdaemon.a $(B)/libhub.a $(B)/libaddress.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^
$(B)/qmail-smtpd: $(B)/qmail-smtpd.o $(B)/libsmtp.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_STATIC) -o $@ $^
$(B)/qmail-rcptcheck: $(B)/qmail-rcptcheck.o $(B)/librcptcheck.a $(B)/libsmtp.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_STATIC) -o $@ $^
$(B)/qmail-vrfy: $(B)/qmail-vrfy.o $(B)/libvrfy.a $(B)/libaddress.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^
$(B)/qmail-verify-gate: $(B)/qmail-verify-gate.o $(B)/libgate.a $(B)/libhub.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^
$(B)/%-conf: $(B)/%-conf.o $(B)/libconf.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^

$(B)/qmail-verify-migrate: $(B)/qmail-verify-migrate.o $(B)/libmigrate.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^

$(B)/qmail-verify-report: $(B)/qmail-verify-report.o $(B)/libreport.a $(B)/libvrfy.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^

# Services for other supervisors than svscan, with our paths in them.
$(B)/service/%: service/%.in $(B)/conf.h
	@mkdir -p $(@D)
	sed -e 's|@QMAIL@|$(QMAIL)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@QMAILD@|$(word 2,$(USERS))|g' \
	  -e 's|@QMAILL@|$(word 3,$(USERS))|g' $< >$@
	chmod $(call example_mode,$@) $@

$(B)/libqmail.a: $(LIBQMAIL)
$(B)/libaddress.a: $(LIBADDRESS)
$(B)/libdaemon.a: $(LIBDAEMON)
$(B)/libhub.a: $(LIBHUB)
$(B)/libsmtp.a: $(LIBSMTP)
$(B)/libvrfy.a: $(LIBVRFY)
$(B)/libgate.a: $(LIBGATE)
$(B)/libconf.a: $(LIBCONF)
$(B)/libreport.a: $(LIBREPORT)
$(B)/libmigrate.a: $(LIBMIGRATE)
$(B)/libnetqmail.a: $(LIBNETQMAIL)
$(B)/librcptcheck.a: $(LIBRCPTCHECK)
$(B)/libclient.a: $(CLIENT)
$(B)/lib%.a:
	rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c | $(B)/conf.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(DEP) -c -o $@ $<
$(B)/%.o: %.cpp | $(B)/conf.h
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(DEP) -c -o $@ $<

# ---- the question put into the source of another qmail-smtpd
$(B)/netqmail/add-verify: $(B)/netqmail/add-verify.o $(B)/libnetqmail.a $(B)/libmigrate.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(LINK_DAEMON) -o $@ $^
# (as it is compiled there: with the C compiler, by itself)
patch-tool: $(B)/netqmail/add-verify $(B)/netqmail/verifydoor.o
WRITE =
UNDO =
.PHONY: patch patch-tool
patch: $(if $(QMAILSRC),patch-tool)
	$(if $(QMAILSRC),,@echo 'make patch QMAILSRC=/path/to/the/source/of/your/qmail [WRITE=yes] [UNDO=yes]' >&2; exit 100)
	ln -f $(B)/netqmail/add-verify netqmail/add-verify
	@netqmail/add-verify $(if $(WRITE),-w) $(if $(UNDO),-u) '$(QMAILSRC)'

# ---- the library
#
# One object, so that of all names in it those alone can be seen that its headers
# document (libqmailverify.names), and fit for shared objects: so it is compiled anew.
LIBRARY = $(patsubst $(B)/%,$(B)/lib/%,$(LIBADDRESS) $(LIBQMAIL) $(CLIENT))
# (a unique name cannot be hidden)
PIC = -fPIC -fvisibility=hidden $(call has_flag,-fno-gnu-unique)
library: $(B)/libqmailverify.a
$(B)/libqmailverify.a: $(B)/libqmailverify.o
$(B)/libqmailverify.o: $(LIBRARY) libqmailverify.names
	$(CC) -r -nostdlib -Wl,--force-group-allocation -o $@.all $(LIBRARY)
	$(OBJCOPY) --strip-debug --keep-global-symbols=libqmailverify.names $@.all $@
	rm -f $@.all
$(B)/lib/%.o: %.c | $(B)/conf.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -fPIE,$(CFLAGS)) $(PIC) $(DEP) -c -o $@ $<
$(B)/lib/%.o: %.cpp | $(B)/conf.h
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(filter-out -fPIE,$(CXXFLAGS)) $(PIC) $(DEP) -c -o $@ $<

PREFIX = /usr/local
DESTDIR =
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR = $(PREFIX)/share/man
HEADERS = address/address.h verifyrcpt.h sockbits.h udpbits.h qmail-verify.h
LIBRARY_PAGES = libqmailverify.3 verifyrcpt.3
VERSION := $(shell sed -n 's/^\#define QV_VERSION "\(.*\)"/\1/p' qmail-verify.h)
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
$(B)/qmailverify.pc: FORCE
	@mkdir -p $(@D)
	@{ echo 'prefix=$(PREFIX)'; \
	   echo 'libdir=$(call below_prefix,$(LIBDIR))'; \
	   echo 'includedir=$(call below_prefix,$(INCLUDEDIR))'; \
	   echo; \
	   echo 'Name: qmailverify'; \
	   echo 'Description: would qmail deliver to this address?'; \
	   echo 'Version: $(VERSION)'; \
	   echo 'Cflags: -I$${includedir}/qmail-verify'; \
	   echo 'Libs: -L$${libdir} -lqmailverify -lstdc++'; \
	   echo 'Libs.private: -lm'; } > $@
install-lib: $(B)/libqmailverify.a $(B)/qmailverify.pc
	$(INSTALL) -d '$(DESTDIR)$(INCLUDEDIR)/qmail-verify' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(MANDIR)/man3'
	$(INSTALL) -m 644 $(HEADERS) '$(DESTDIR)$(INCLUDEDIR)/qmail-verify/'
	$(INSTALL) -m 644 $(B)/libqmailverify.a '$(DESTDIR)$(LIBDIR)/'
	$(INSTALL) -m 644 $(B)/qmailverify.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/'
	$(INSTALL) -m 644 $(addprefix man/,$(LIBRARY_PAGES)) '$(DESTDIR)$(MANDIR)/man3/'
uninstall-lib:
	rm -f $(patsubst %,'$(DESTDIR)$(INCLUDEDIR)/qmail-verify/%',$(notdir $(HEADERS))) \
	  '$(DESTDIR)$(LIBDIR)/libqmailverify.a' '$(DESTDIR)$(LIBDIR)/pkgconfig/qmailverify.pc' \
	  $(patsubst %,'$(DESTDIR)$(MANDIR)/man3/%',$(LIBRARY_PAGES))
	rmdir '$(DESTDIR)$(INCLUDEDIR)/qmail-verify' 2>/dev/null || true

# ---- putting it into a qmail
#
# service/install puts files into their places and takes them away; service/host
# looks before at the host that is meant, where no DESTDIR is given.
MANIFEST = $(QMAIL)/verify/installed
PAGES = $(notdir $(wildcard man/*.[1-8]))
# owner and modes as netqmail has them for its own programs, where there is such a group
OWNER := $(shell test "$$(id -u)" = 0 && echo root || echo -)
GROUP = $(shell getent group $(firstword $(GROUPS)) >/dev/null && echo $(firstword $(GROUPS)) || echo root)
# $(call files,mode,owner,group,sources,folder): lines for service/install
files = $(foreach file,$(4),printf '%s\t%s\t%s\t%s\t%s\n' $(1) '$(2)' '$(3)' '$(file)' '$(5)/$(notdir $(file))';)
root_files = $(call files,644,$(OWNER),$(OWNER),$(1),$(2))
.PHONY: install uninstall
install: programs $(B)/libqmailverify.a $(B)/qmailverify.pc
	$(if $(DESTDIR),,sh service/host install $(B)/qmail-verify '$(QMAIL)' '$(firstword $(GROUPS))')
	@{ $(call files,755,$(OWNER),$(GROUP),$(addprefix $(B)/,$(filter-out qmail-smtpd,$(PROGRAMS))),$(BINDIR)) \
	   $(call files,755,$(OWNER),$(GROUP),$(B)/qmail-smtpd,$(SMTPDDIR)) \
	   $(foreach page,$(PAGES),$(call root_files,man/$(page),$(MANDIR)/man$(subst .,,$(suffix $(page))))) \
	   $(call root_files,$(HEADERS),$(INCLUDEDIR)/qmail-verify) \
	   $(call root_files,$(B)/libqmailverify.a,$(LIBDIR)) \
	   $(call root_files,$(B)/qmailverify.pc,$(LIBDIR)/pkgconfig) \
	   printf '%s\t%s\t%s\t%s\t%s\n' 644 $(OWNER) $(OWNER) service/completion/qmail-vrfy.bash \
	     '$(PREFIX)/share/bash-completion/completions/qmail-vrfy'; \
	   $(call root_files,service/completion/_qmail-vrfy,$(PREFIX)/share/zsh/site-functions) \
	   $(call root_files,README CHANGES SECURITY LICENSE,$(PREFIX)/share/doc/qmail-verify) \
	   $(call root_files,qpsmtpd/qmail_verify,$(PREFIX)/share/doc/qmail-verify/examples/qpsmtpd) \
	   $(foreach file,$(HARAKA),$(call root_files,$(file),$(patsubst %/,%,$(PREFIX)/share/doc/qmail-verify/examples/$(dir $(file))))) \
	   $(foreach file,$(EXAMPLES),$(call files,$(call example_mode,$(file)),$(OWNER),$(OWNER),$(file),$(patsubst \
	     $(B)/service/%/,$(PREFIX)/share/doc/qmail-verify/examples/%,$(dir $(file))))) \
	 } | sh service/install '$(MANIFEST)' '$(DESTDIR)'
uninstall:
	$(if $(DESTDIR),,sh service/host uninstall '$(BINDIR)/qmail-verify')
	@sh service/install -u '$(MANIFEST)' '$(DESTDIR)'

# The settings as a header, rewritten only when they change.
$(B)/conf.h: FORCE
	@mkdir -p $(@D)
	@{ echo '/* made by make from its settings */'; \
	   echo '#define CONF_QMAIL "$(QMAIL)"'; \
	   echo '#define CONF_BIN "$(BINDIR)"'; \
	   echo '#define CONF_SMTPD "$(SMTPDDIR)/qmail-smtpd"'; \
	   echo '#define CONF_BREAK "$(BREAK)"'; \
	   echo '#define CONF_PATRN 0$(PATRN)'; \
	   echo '#define CONF_USERS "$(strip $(USERS))"'; \
	   echo '#define CONF_ALIAS "$(word 1,$(USERS))"'; \
	   echo '#define CONF_QMAILD "$(word 2,$(USERS))"'; \
	   echo '#define CONF_QMAILP "$(word 5,$(USERS))"'; \
	   echo '#define CONF_GROUPS "$(strip $(GROUPS))"'; \
	   echo '#define CONF_NOFILES "$(word 2,$(GROUPS))"'; } > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv -f $@.new $@
ifdef settings_given
	@{ $(foreach name,$(SETTINGS),echo '$(name) = $(subst $$,$$$$,$($(name)))';) } >build/settings
endif
FORCE:

# ---- what bench/smtpd.py runs beside qmail-smtpd
BENCH_SMTPD = $(addprefix $(B)/bench/smtpd_,empty empty_pie queue spawn)
.PHONY: bench-smtpd
bench-smtpd: $(B)/qmail-verify $(B)/qmail-smtpd $(BENCH_SMTPD)
# (there is no static sanitizer)
BENCH_STATIC = $(or $(filter -fsanitize%,$(MODE)),-static)
$(B)/bench/smtpd_empty: $(B)/bench/smtpd_empty.o
	$(CC) $(BENCH_STATIC) -no-pie -o $@ $^
$(B)/bench/smtpd_empty_pie: $(B)/bench/smtpd_empty.o
	$(CC) $(or $(filter -fsanitize%,$(MODE)),-static-pie) -o $@ $^
$(B)/bench/smtpd_queue: $(B)/bench/smtpd_queue.o
	$(CC) $(BENCH_STATIC) -no-pie -o $@ $^
$(B)/bench/smtpd_spawn: $(B)/bench/smtpd_spawn.o
	$(CXX) $(filter -fsanitize%,$(MODE)) -o $@ $^

# ---- tests
unit: $(B)/unit-tests
$(B)/unit-tests: $(UNIT) $(B)/libgate.a $(B)/librcptcheck.a $(B)/libconf.a $(B)/libreport.a $(B)/libnetqmail.a $(B)/libmigrate.a $(B)/libvrfy.a $(B)/libdaemon.a $(B)/libhub.a $(B)/libaddress.a $(B)/libsmtp.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(filter -fsanitize%,$(MODE)) -o $@ $^ -lgtest -lgtest_main -lpthread

# Several handles at the same time, and answers that are kept, watched by ThreadSanitizer
# where the compiler has it: $(B)/threads and $(B)/kept-threads are without it where not.
.PHONY: threads
TSAN = $(and $(filter plain,$(VARIANT)),\
  $(shell echo 'int main(){}' | $(CXX) -fsanitize=thread -x c++ -o /dev/null - 2>/dev/null && echo yes))
threads: $(if $(TSAN),tsan,$(B)/threads $(B)/kept-threads)
.PHONY: tsan
tsan:
	$(MAKE) SANITIZE=thread build/sanitize-thread/threads build/sanitize-thread/kept-threads
$(B)/tests/library/threads.o: CPPFLAGS += -Iaddress
$(B)/threads: $(B)/tests/library/threads.o $(B)/libaddress.a $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(filter -fsanitize%,$(MODE)) -o $@ $^ -lpthread
$(B)/kept-threads: $(B)/tests/library/kept_threads.o $(B)/hub/kept.o $(B)/hub/siphash.o $(B)/libqmail.a $(B)/libclient.a
	$(CXX) $(filter -fsanitize%,$(MODE)) -o $@ $^ -lpthread

fuzz-targets: $(FUZZ)
FUZZ_MAIN = $(if $(ENGINE),,$(B)/tests/fuzz/standalone.o)
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(FUZZ_MAIN) $(B)/tests/unit/fake_site.o $(B)/libgate.a $(B)/librcptcheck.a $(B)/libreport.a $(B)/libnetqmail.a $(B)/libmigrate.a $(B)/libvrfy.a $(B)/libdaemon.a $(B)/libhub.a $(B)/libaddress.a $(B)/libsmtp.a $(B)/libqmail.a $(B)/libclient.a
	@mkdir -p $(@D)
	$(CXX) $(filter -fsanitize%,$(MODE)) $(if $(ENGINE),-fsanitize=fuzzer) -o $@ $^

SECONDS = 60
TARGET =
BUILD_FUZZ = $(if $(filter command%,$(origin B)),$(B),build/fuzz)
fuzz:
	sh tests/packages fuzz
	$(MAKE) CC=clang CXX=clang++ SANITIZE=address,undefined ENGINE=yes B=$(BUILD_FUZZ) fuzz-targets
	sh tests/fuzz/run '$(BUILD_FUZZ)' '$(SECONDS)' $(TARGET)

check:
	sh tests/packages check
	$(MAKE) programs unit fuzz-targets bench-tools library threads patch-tool
	/usr/bin/python3 tests/run.py --build $(B) $(CHECK)

# ---- Debian packages, of a copy: the build here keeps its own settings
.PHONY: deb check-deb
deb:
	sh tests/packages deb
	rm -rf build/deb
	mkdir -p build/deb/source
	tar -c --exclude=./build --exclude=./.git $(addprefix --exclude=./,$(PROGRAMS)) . | tar -x -C build/deb/source
	cd build/deb/source && dpkg-buildpackage -us -uc -b
	rm -rf build/deb/source
check-deb: deb
	/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/deb

# ---- users that a directory server has; says what it measured
.PHONY: check-ldap
check-ldap:
	sh tests/packages ldap
	$(MAKE) programs
	BUILD='$(B)' /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider tests/ldap

# ---- other SMTP servers, which ask through qmail-verify-gate and the plugins
.PHONY: check-doors
check-doors:
	sh tests/packages doors
	$(MAKE) programs
	BUILD='$(B)' /usr/bin/python3 -m pytest -q -rs -n 4 --dist loadfile -p no:cacheprovider tests/doors

soak:
	sh tests/packages check
	$(MAKE) programs
	SOAK=1 /usr/bin/python3 tests/run.py --build $(B) --only fault -v $(CHECK)

demo:
	sh tests/packages demo
	$(MAKE) programs
	KEEP='$(KEEP)' sh service/demo $(B)

# ---- answers a second
BENCH_TOOLS = $(addprefix $(B)/bench/,site load doors_load echo)
.PHONY: bench bench-tools
bench-tools: $(BENCH_TOOLS) $(B)/bench/smtpd_spawn $(B)/bench/smtpd_empty
$(B)/bench/site: $(B)/bench/site.o $(B)/tests/unit/fake_site.o $(B)/libaddress.a $(B)/libqmail.a
$(B)/bench/load: $(B)/bench/load.o
$(B)/bench/doors_load: $(B)/bench/doors_load.o
$(B)/bench/echo: $(B)/bench/echo.o
$(BENCH_TOOLS):
	$(CXX) $(LINK_DAEMON) -o $@ $^

BENCH =
BENCH_OUT = build/bench
BENCH_SECONDS = 0.25
PEER_NAME = peer
bench:
	sh tests/packages bench
	$(MAKE) programs bench-tools bench-smtpd
	/usr/bin/python3 bench/run.py --build $(B) --out '$(BENCH_OUT)' --seconds $(BENCH_SECONDS) $(if $(PEER),--peer '$(PEER)' --peer-name '$(PEER_NAME)') $(BENCH)

clean:
	rm -rf build $(PROGRAMS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
