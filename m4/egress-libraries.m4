dnl What the suite needs, and which package brings it. All that is missing is
dnl told at once, at the end.

dnl EGRESS_LIBRARY(VARIABLE, MODULE, DEBIAN-PACKAGE, RPM-PACKAGE)
AC_DEFUN([EGRESS_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$2], [], [
    AS_IF([test -n "$PKG_CONFIG"], [
      egress_missing="$egress_missing
    $2: Debian package $3, Fedora/EL package $4"], [egress_blind=yes])])
])

AC_DEFUN([EGRESS_REPORT_MISSING], [
  AS_IF([test "x$egress_blind" = xyes], [
    egress_missing="$egress_missing
    pkg-config, which finds the libraries: Debian package pkg-config, Fedora/EL
    package pkgconf-pkg-config"])
  AS_IF([test -n "$egress_missing"], [
    AC_MSG_ERROR([not found:$egress_missing])])
])
