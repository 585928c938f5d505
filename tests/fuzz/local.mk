# A fuzz target a parser, and its corpus. Without a fuzzer in the build the
# targets replay their corpora, as a part of `make check`; with one
# (--enable-fuzzers) they are libFuzzer programs:
#
#   tests/fuzz/fuzz_sock_diag -max_total_time=20 SOME-DIRECTORY tests/fuzz/corpus/sock_diag

noinst_HEADERS += tests/fuzz/fuzz.h
EXTRA_DIST += tests/fuzz/corpus

# Others append their targets to this list.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_sock_diag \
	tests/fuzz/fuzz_ctnetlink \
	tests/fuzz/fuzz_conntrack_entry \
	tests/fuzz/fuzz_ranges_file

if FUZZERS
EXTRA_DIST += tests/fuzz/replay.c
noinst_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_MAIN =
LINK_FUZZ = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_MAIN = tests/fuzz/replay.c
LINK_FUZZ = $(AM_LDFLAGS)
endif

FUZZ_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
FUZZ_CORPORA = $(abs_top_srcdir)/tests/fuzz/corpus

tests_fuzz_fuzz_sock_diag_SOURCES = tests/fuzz/fuzz_sock_diag.c $(FUZZ_MAIN)
tests_fuzz_fuzz_sock_diag_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/sock_diag"'
tests_fuzz_fuzz_sock_diag_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_sock_diag_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_sock_diag_LDADD = libegress-core.la

tests_fuzz_fuzz_ctnetlink_SOURCES = tests/fuzz/fuzz_ctnetlink.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ctnetlink_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/ctnetlink"'
tests_fuzz_fuzz_ctnetlink_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_ctnetlink_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_ctnetlink_LDADD = libegress-core.la

FUZZ_NAT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/nat
tests_fuzz_fuzz_conntrack_entry_SOURCES = tests/fuzz/fuzz_conntrack_entry.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conntrack_entry_CPPFLAGS = $(FUZZ_NAT_CPPFLAGS) \
	-DFUZZ_CORPUS='"$(FUZZ_CORPORA)/conntrack_entry"'
tests_fuzz_fuzz_conntrack_entry_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_conntrack_entry_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_conntrack_entry_LDADD = libegress-nat.la libegress-core.la

tests_fuzz_fuzz_ranges_file_SOURCES = tests/fuzz/fuzz_ranges_file.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ranges_file_CPPFLAGS = $(FUZZ_NAT_CPPFLAGS) \
	-DFUZZ_CORPUS='"$(FUZZ_CORPORA)/ranges_file"'
tests_fuzz_fuzz_ranges_file_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_ranges_file_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_ranges_file_LDADD = libegress-nat.la libegress-core.la

# Records a kernel's answers, for new seeds; built on demand.
EXTRA_PROGRAMS += tests/fuzz/capture
tests_fuzz_capture_SOURCES = tests/fuzz/capture.c
tests_fuzz_capture_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
tests_fuzz_capture_LDADD = $(LIBMNL_LIBS)
