dnl collectd's headers (Debian's collectd-dev, or an upstream source tree) and
dnl the directory where its plugins live.

AC_DEFUN([EGRESS_COLLECTD], [
  AC_ARG_WITH([collectd-src],
    [AS_HELP_STRING([--with-collectd-src=DIR],
      [use the headers of an upstream collectd source tree instead of collectd-dev])],
    [], [with_collectd_src=no])
  AC_ARG_WITH([plugindir],
    [AS_HELP_STRING([--with-plugindir=DIR],
      [install the plugins here; default: $libdir/collectd, or where the
       distribution's collectd looks if the prefix is /usr])],
    [], [with_plugindir=])

  AS_IF([test "x$with_collectd_src" != xno], [
    AS_IF([test -f "$with_collectd_src/src/daemon/plugin.h"], [],
      [AC_MSG_ERROR([$with_collectd_src is not a collectd source tree: it has no src/daemon/plugin.h])])
    collectd_src=`cd "$with_collectd_src" && pwd`
    COLLECTD_CFLAGS="-DEGRESS_COLLECTD_SOURCE_TREE -isystem $collectd_src/src -isystem $collectd_src/src/daemon"
    dnl An unconfigured tree has no config.h; these are what its headers ask for.
    AS_IF([test -f "$collectd_src/src/config.h"],
      [COLLECTD_CFLAGS="$COLLECTD_CFLAGS -DHAVE_CONFIG_H"],
      [COLLECTD_CFLAGS="$COLLECTD_CFLAGS -include \$(top_srcdir)/plugins/core/collectd-config.h"])
    collectd_summary="source tree $collectd_src"
  ], [
    COLLECTD_CFLAGS="-DHAVE_CONFIG_H -isystem /usr/include/collectd/core -isystem /usr/include/collectd"
    collectd_summary="installed headers"
  ])

  AC_MSG_CHECKING([for collectd's headers])
  egress_saved_cppflags=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS `echo "$COLLECTD_CFLAGS" | sed "s|\\$(top_srcdir)|$srcdir|"`"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#undef PACKAGE
#undef PACKAGE_BUGREPORT
#undef PACKAGE_NAME
#undef PACKAGE_STRING
#undef PACKAGE_TARNAME
#undef PACKAGE_URL
#undef PACKAGE_VERSION
#undef VERSION
#ifdef EGRESS_COLLECTD_SOURCE_TREE
#include "plugin.h"
#else
#include "collectd/core/daemon/collectd.h"
#include "collectd/core/daemon/plugin.h"
#endif
]], [[return DATA_MAX_NAME_LEN != 128;]])],
    [AC_MSG_RESULT([$collectd_summary])],
    [AC_MSG_RESULT([no])
     egress_missing="$egress_missing
    collectd's headers: Debian package collectd-dev, elsewhere an upstream source
    tree of the version that runs (--with-collectd-src=DIR)"])
  CPPFLAGS=$egress_saved_cppflags

  AS_IF([test -n "$with_plugindir"], [plugindir=$with_plugindir],
    [test "x$prefix" = x/usr], [
      dnl Debian keeps them out of the multiarch directory.
      plugindir=/usr/lib/collectd
      AS_IF([test -d /usr/lib64/collectd && test ! -d /usr/lib/collectd],
        [plugindir=/usr/lib64/collectd])],
    [plugindir='${libdir}/collectd'])
  AC_SUBST([COLLECTD_CFLAGS])
  AC_SUBST([plugindir])
])
