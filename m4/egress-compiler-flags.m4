dnl The one place for warnings, hardening, sanitizers and fuzzers.

dnl EGRESS_TRY_FLAGS(VARIABLE, FLAGS): append each flag that the compiler takes.
AC_DEFUN([EGRESS_TRY_FLAGS], [
  for egress_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC takes $egress_flag])
    egress_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS -Werror $egress_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes])
       $1="$$1 $egress_flag"],
      [AC_MSG_RESULT([no])])
    CFLAGS=$egress_saved_cflags
  done
])

dnl EGRESS_REQUIRE_FLAGS(FLAGS, PROGRAM, OPTION): an error that names the option
dnl unless a program links with the flags, runtime libraries and all.
AC_DEFUN([EGRESS_REQUIRE_FLAGS], [
  AC_MSG_CHECKING([whether $CC links with $1])
  egress_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS $1"
  AC_LINK_IFELSE([$2],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$3: $CC does not link with $1: name what the compiler has, and install its runtime (for clang, Debian package libclang-rt-dev; config.log has its own words)])])
  CFLAGS=$egress_saved_cflags
])

AC_DEFUN([EGRESS_COMPILER_FLAGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
    [], [enable_werror=no])
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
      [build everything with -fsanitize=LIST (default: address,undefined)])],
    [], [enable_sanitizers=no])
  AC_ARG_ENABLE([fuzzers],
    [AS_HELP_STRING([--enable-fuzzers],
      [link the fuzz targets with libFuzzer (clang); without it they replay files])],
    [], [enable_fuzzers=no])
  AS_IF([test "x$enable_sanitizers" = xyes], [enable_sanitizers=address,undefined])

  WARNING_CFLAGS=
  EGRESS_TRY_FLAGS([WARNING_CFLAGS], [
    -Wall -Wextra -Wshadow -Wundef -Wformat=2 -Wconversion -Wno-sign-conversion
    -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wvla
    -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes
    -Wmissing-declarations -Wredundant-decls -Wnested-externs
    -Wimplicit-fallthrough -Wnull-dereference
    -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
    -Walloca -Wdate-time
  ])
  AS_IF([test "x$enable_werror" = xyes], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])

  HARDENING_CFLAGS=
  HARDENING_LDFLAGS=
  EGRESS_TRY_FLAGS([HARDENING_CFLAGS], [
    -fvisibility=hidden -fno-common -fstack-protector-strong
    -fstack-clash-protection -fcf-protection
  ])
  EGRESS_TRY_FLAGS([HARDENING_LDFLAGS], [-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed])

  SANITIZER_CFLAGS=
  AS_IF([test "x$enable_sanitizers" = xno], [
    dnl Optimisation is needed for FORTIFY; a sanitizer has checks of its own.
    AS_CASE([$CFLAGS], [*-O0*], [], [*-O*], [
      HARDENING_CFLAGS="$HARDENING_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
  ], [
    SANITIZER_CFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
    EGRESS_REQUIRE_FLAGS([-fsanitize=$enable_sanitizers], [AC_LANG_PROGRAM([], [])],
      [--enable-sanitizers=$enable_sanitizers])
  ])
  AS_IF([test "x$enable_fuzzers" != xno], [
    AS_CASE([`$CC --version`], [*clang*], [],
      [AC_MSG_ERROR([--enable-fuzzers needs clang (found CC=$CC): configure with CC=clang, Debian packages clang and libclang-rt-dev])])
    EGRESS_REQUIRE_FLAGS([-fsanitize=fuzzer],
      [AC_LANG_SOURCE([int LLVMFuzzerTestOneInput(const char *data, unsigned long size);
int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return size > 0 && !data; }])],
      [--enable-fuzzers])
    SANITIZER_CFLAGS="$SANITIZER_CFLAGS -fsanitize=fuzzer-no-link"
  ])

  AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" != xno])
  AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" != xno])
  AC_SUBST([WARNING_CFLAGS])
  AC_SUBST([HARDENING_CFLAGS])
  AC_SUBST([HARDENING_LDFLAGS])
  AC_SUBST([SANITIZER_CFLAGS])
])
