dnl larder: the libraries it stands on; a missing one is named with its Debian package.

dnl LARDER_PKG(VARIABLE, pkg-config module and version, Debian package, what it is for)
AC_DEFUN([LARDER_PKG], [
PKG_CHECK_MODULES([$1], [$2], [],
  [AC_MSG_ERROR([$2 is missing ($4): install the Debian package $3 (apt-get install $3)])])
])

AC_DEFUN([LARDER_LIBRARIES], [
m4_ifdef([PKG_PROG_PKG_CONFIG], [],
  [m4_fatal([pkg.m4 is missing: install the Debian package pkg-config])])
PKG_PROG_PKG_CONFIG
AS_IF([test -z "$PKG_CONFIG"],
  [AC_MSG_ERROR([pkg-config is missing: install the Debian package pkg-config])])

AS_IF([test "$enable_uring" = yes],
  [LARDER_PKG([URING], [liburing >= 2.3], [liburing-dev],
     [io_uring; --disable-uring builds without it])])
LARDER_PKG([HWLOC], [hwloc >= 2.0], [libhwloc-dev], [topology])
LARDER_PKG([XXHASH], [libxxhash >= 0.8.0], [libxxhash-dev], [hash of keys])
LARDER_PKG([MD], [libmd >= 1.0], [libmd-dev], [MD5, for the rings of clients])
AS_IF([test "$enable_tls" = auto],
  [PKG_CHECK_EXISTS([libssl >= 3.0 libcrypto], [enable_tls=yes], [enable_tls=no])])
AS_IF([test "$enable_tls" = yes],
  [LARDER_PKG([TLS], [libssl >= 3.0 libcrypto], [libssl-dev],
     [TLS; --disable-tls builds without it])])
AM_CONDITIONAL([TLS], [test "$enable_tls" = yes])
AS_IF([test "$enable_tls" = yes], [TLS_MODULES="libssl libcrypto"], [TLS_MODULES=])
AC_SUBST([TLS_MODULES])
AS_IF([test "$enable_sasl" = auto],
  [PKG_CHECK_EXISTS([libsasl2 >= 2.1], [enable_sasl=yes], [enable_sasl=no])])
AS_IF([test "$enable_sasl" = yes],
  [LARDER_PKG([SASL], [libsasl2 >= 2.1], [libsasl2-dev],
     [SASL mechanisms; --disable-sasl builds without them])])
AM_CONDITIONAL([SASL], [test "$enable_sasl" = yes])
AS_IF([test "$enable_sanitize" = no],
  [LARDER_PKG([JEMALLOC], [jemalloc >= 5.0], [libjemalloc-dev], [memory that is not an item])])
dnl for bench/client only
PKG_CHECK_EXISTS([libmemcached >= 1.0],
  [PKG_CHECK_MODULES([LIBMEMCACHED], [libmemcached >= 1.0])
   larder_libmemcached=yes], [larder_libmemcached=no])
AM_CONDITIONAL([LIBMEMCACHED], [test "$larder_libmemcached" = yes])
AS_IF([test "$enable_tests" = yes],
  [LARDER_PKG([CMOCKA], [cmocka >= 1.1], [libcmocka-dev],
     [unit tests; --disable-tests builds without them])])
])
