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
	tests/fuzz/fuzz_proc_sockets \
	tests/fuzz/fuzz_proc_stat \
	tests/fuzz/fuzz_gcp_json \
	tests/fuzz/fuzz_proxy_answer \
	tests/fuzz/fuzz_probe_config \
	tests/fuzz/fuzz_conntrack_flow \
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

tests_fuzz_fuzz_proc_sockets_SOURCES = tests/fuzz/fuzz_proc_sockets.c $(FUZZ_MAIN)
tests_fuzz_fuzz_proc_sockets_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/proc_sockets"'
tests_fuzz_fuzz_proc_sockets_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_proc_sockets_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_proc_sockets_LDADD = libegress-core.la

tests_fuzz_fuzz_proc_stat_SOURCES = tests/fuzz/fuzz_proc_stat.c $(FUZZ_MAIN)
tests_fuzz_fuzz_proc_stat_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/proc_stat"'
tests_fuzz_fuzz_proc_stat_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_proc_stat_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_proc_stat_LDADD = libegress-core.la

FUZZ_NAT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/nat
tests_fuzz_fuzz_conntrack_flow_SOURCES = tests/fuzz/fuzz_conntrack_flow.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conntrack_flow_CPPFLAGS = $(FUZZ_NAT_CPPFLAGS) \
	-DFUZZ_CORPUS='"$(FUZZ_CORPORA)/conntrack_flow"'
tests_fuzz_fuzz_conntrack_flow_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_conntrack_flow_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_conntrack_flow_LDADD = libegress-nat.la libegress-core.la

tests_fuzz_fuzz_ranges_file_SOURCES = tests/fuzz/fuzz_ranges_file.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ranges_file_CPPFLAGS = $(FUZZ_NAT_CPPFLAGS) \
	-DFUZZ_CORPUS='"$(FUZZ_CORPORA)/ranges_file"'
tests_fuzz_fuzz_ranges_file_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_ranges_file_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_ranges_file_LDADD = libegress-nat.la libegress-core.la

# `make fuzz` runs every target of the list for FUZZ_SECONDS each, from its corpus,
# and keeps what it finds in the build directory: nothing is written into the tree.
# The corpus of fuzz_NAME is corpus/NAME. A finding ends it, and names its input.
FUZZ_SECONDS = 20
fuzz: $(FUZZ_TARGETS)
if FUZZERS
	@for target in $(FUZZ_TARGETS); do \
	  name=$${target##*/fuzz_}; found=fuzz-found/$$name; \
	  rm -rf $$found && mkdir -p $$found || exit 1; \
	  test -d $(FUZZ_CORPORA)/$$name || { echo "$$target has no corpus: $(FUZZ_CORPORA)/$$name is missing" >&2; exit 1; }; \
	  ./$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
	    -artifact_prefix=fuzz-found/$$name- $$found $(FUZZ_CORPORA)/$$name \
	    >fuzz-found/$$name.log 2>&1 || { tail -n 60 fuzz-found/$$name.log >&2; exit 1; }; \
	  echo "$$name: $$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' fuzz-found/$$name.log) inputs"; \
	done
else
	@echo "this build has no fuzzer: configure it with CC=clang --enable-fuzzers --enable-sanitizers" >&2; exit 1
endif

clean-local: clean-local-packages
	rm -rf fuzz-found

.PHONY: fuzz

tests_fuzz_fuzz_gcp_json_SOURCES = tests/fuzz/fuzz_gcp_json.c $(FUZZ_MAIN)
tests_fuzz_fuzz_gcp_json_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/nat \
	-DFUZZ_CORPUS='"$(FUZZ_CORPORA)/gcp_json"'
tests_fuzz_fuzz_gcp_json_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_gcp_json_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_gcp_json_LDADD = libegress-nat.la libegress-core.la

PROBE_FUZZ_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/plugins/probe -I$(top_srcdir)/tests/unit

tests_fuzz_fuzz_proxy_answer_SOURCES = tests/fuzz/fuzz_proxy_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_proxy_answer_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/proxy_answer"'
tests_fuzz_fuzz_proxy_answer_CFLAGS = $(PROBE_FUZZ_CFLAGS)
tests_fuzz_fuzz_proxy_answer_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_proxy_answer_LDADD = libegress-probe.la libegress-core.la

tests_fuzz_fuzz_probe_config_SOURCES = tests/fuzz/fuzz_probe_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_probe_config_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(FUZZ_CORPORA)/probe_config"'
tests_fuzz_fuzz_probe_config_CFLAGS = $(PROBE_FUZZ_CFLAGS)
tests_fuzz_fuzz_probe_config_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_probe_config_LDADD = libegress-probe.la liboption-tree.la libegress-core.la

# Records a kernel's answers, for new seeds; built on demand.
EXTRA_PROGRAMS += tests/fuzz/capture
tests_fuzz_capture_SOURCES = tests/fuzz/capture.c
tests_fuzz_capture_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
tests_fuzz_capture_LDADD = $(LIBMNL_LIBS)
