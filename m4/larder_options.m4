dnl larder: the options of configure.

dnl LARDER_COMPILER: sets larder_cc to clang or gcc (ccache and wrappers hide it in the name).
AC_DEFUN([LARDER_COMPILER], [
AC_CACHE_CHECK([which compiler this is], [larder_cv_cc],
  [AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifndef __clang__
#error not clang
#endif
int larder_dummy;]])], [larder_cv_cc=clang], [larder_cv_cc=gcc])])
larder_cc=$larder_cv_cc
])

dnl LARDER_BUILD_OPTIONS: what a build can be, from --enable-sanitize to --disable-tests.
AC_DEFUN([LARDER_BUILD_OPTIONS], [
AC_ARG_ENABLE([sanitize],
  [AS_HELP_STRING([--enable-sanitize=LIST], [address,undefined or thread])],
  [], [enable_sanitize=no])
AC_ARG_ENABLE([fuzz],
  [AS_HELP_STRING([--enable-fuzz], [build tests/fuzz with libFuzzer (clang)])],
  [], [enable_fuzz=no])
AC_ARG_ENABLE([uring],
  [AS_HELP_STRING([--disable-uring], [leave the io_uring back end out])],
  [], [enable_uring=yes])
AC_ARG_ENABLE([tls],
  [AS_HELP_STRING([--enable-tls], [TLS by OpenSSL 3; default: where it is found])],
  [], [enable_tls=auto])
AC_ARG_ENABLE([sasl],
  [AS_HELP_STRING([--enable-sasl],
     [mechanisms of libsasl2 for -S; default: where it is found; PLAIN is always there])],
  [], [enable_sasl=auto])
AC_ARG_ENABLE([schedule],
  [AS_HELP_STRING([--enable-schedule], [build tests/schedules: every atomic access a yield point])],
  [], [enable_schedule=no])
AC_ARG_ENABLE([lto],
  [AS_HELP_STRING([--disable-lto], [no link time optimisation])],
  [], [enable_lto=auto])
AC_ARG_ENABLE([werror],
  [AS_HELP_STRING([--enable-werror], [warnings are errors])],
  [], [enable_werror=no])
AC_ARG_ENABLE([tests],
  [AS_HELP_STRING([--disable-tests], [build no test programs (cmocka is not needed then)])],
  [], [enable_tests=yes])

AS_CASE([$enable_sanitize],
  [yes], [enable_sanitize=address,undefined])
AS_CASE([,$enable_sanitize,],
  [*,thread,*address* | *address*,thread,*],
  [AC_MSG_ERROR([--enable-sanitize: thread and address exclude each other])])
AS_IF([test "$enable_fuzz" = yes],
  [AS_IF([test "$larder_cc" != clang],
     [AC_MSG_ERROR([--enable-fuzz needs clang: configure with CC=clang (Debian package clang)])])
   AS_IF([test "$enable_sanitize" = no], [enable_sanitize=address,undefined])])

AM_CONDITIONAL([URING], [test "$enable_uring" = yes])
AM_CONDITIONAL([FUZZ], [test "$enable_fuzz" = yes])
AM_CONDITIONAL([SCHEDULE], [test "$enable_schedule" = yes])
AM_CONDITIONAL([BUILD_TESTS], [test "$enable_tests" = yes])
])

dnl LARDER_ARCHIVER: archives of LTO objects need the compiler's own ar and ranlib. Decides
dnl enable_lto: never with a sanitizer or with yield points; with clang only if lld and llvm-ar are
dnl there.
AC_DEFUN([LARDER_ARCHIVER], [
AS_IF([test "$enable_sanitize" != no || test "$enable_schedule" = yes], [enable_lto=no])
AS_IF([test "$larder_cc" = clang], [
  larder_major=`echo __clang_major__ | $CC -E -P - 2>/dev/null`
  AC_CHECK_TOOLS([AR], [llvm-ar-$larder_major llvm-ar ar], [ar])
  AC_CHECK_TOOLS([RANLIB], [llvm-ranlib-$larder_major llvm-ranlib ranlib], [ranlib])
  AC_CHECK_PROGS([larder_lld], [ld.lld-$larder_major ld.lld])
  AS_CASE([$AR/$larder_lld], [*llvm-ar*/?*], [], [enable_lto=no])
], [
  AC_CHECK_TOOLS([AR], [gcc-ar ar], [ar])
  AC_CHECK_TOOLS([RANLIB], [gcc-ranlib ranlib], [ranlib])
])
AS_IF([test "$enable_lto" = auto], [enable_lto=yes])
])
