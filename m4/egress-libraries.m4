dnl What the suite needs, and which package brings it. All that is missing is
dnl told at once, at the end.

egress_missing=

dnl EGRESS_LIBRARY(VARIABLE, MODULE, DEBIAN-PACKAGE, RPM-PACKAGE)
AC_DEFUN([EGRESS_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$2], [], [
    egress_missing="$egress_missing
    $2: Debian package $3, Fedora/EL package $4"])
])

AC_DEFUN([EGRESS_REPORT_MISSING], [
  AS_IF([test -n "$egress_missing"], [
    AC_MSG_ERROR([not found:$egress_missing])])
])
