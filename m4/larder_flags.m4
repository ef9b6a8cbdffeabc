dnl larder: compiler and linker flags.

AC_DEFUN([LARDER_FLAGS], [
LARDER_CPPFLAGS="-D_GNU_SOURCE"
LARDER_CFLAGS="-std=gnu17 -pthread -fno-common"
LARDER_CFLAGS="$LARDER_CFLAGS -Wall -Wextra -Wconversion -Wshadow"
LARDER_CFLAGS="$LARDER_CFLAGS -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef"
LARDER_LDFLAGS="-pthread -Wl,-z,relro -Wl,-z,now"

AS_IF([test "$enable_werror" = yes], [LARDER_CFLAGS="$LARDER_CFLAGS -Werror"])
AS_IF([test "$enable_uring" = yes],
  [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_URING=1"],
  [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_URING=0"])
AS_IF([test "$enable_tls" = yes],
  [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_TLS=1"],
  [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_TLS=0"])

AS_CASE([,$enable_sanitize,],
  [*,thread,*], [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_TSAN=1"],
  [LARDER_CPPFLAGS="$LARDER_CPPFLAGS -DLARDER_TSAN=0"])
AS_IF([test "$enable_sanitize" != no], [
  LARDER_CFLAGS="$LARDER_CFLAGS -fsanitize=$enable_sanitize -fno-omit-frame-pointer"
  LARDER_LDFLAGS="$LARDER_LDFLAGS -fsanitize=$enable_sanitize"
  AS_CASE([,$enable_sanitize,],
    [*,undefined,*], [LARDER_CFLAGS="$LARDER_CFLAGS -fno-sanitize-recover=undefined"])
])
AS_IF([test "$enable_fuzz" = yes], [
  LARDER_CFLAGS="$LARDER_CFLAGS -fsanitize=fuzzer-no-link"
  FUZZ_LDFLAGS="-fsanitize=fuzzer"
])
AS_IF([test "$enable_lto" = yes], [
  AS_IF([test "$larder_cc" = clang],
    [LARDER_CFLAGS="$LARDER_CFLAGS -flto"
     LARDER_LDFLAGS="$LARDER_LDFLAGS -flto -fuse-ld=lld"],
    [LARDER_CFLAGS="$LARDER_CFLAGS -flto=auto"
     LARDER_LDFLAGS="$LARDER_LDFLAGS -flto=auto"])
])

AC_SUBST([LARDER_CPPFLAGS])
AC_SUBST([LARDER_CFLAGS])
AC_SUBST([LARDER_LDFLAGS])
AC_SUBST([FUZZ_LDFLAGS])
])

AC_DEFUN([LARDER_SUMMARY], [
AC_MSG_NOTICE([larder $PACKAGE_VERSION: $larder_cc, lto $enable_lto, uring $enable_uring, dnl
tls $enable_tls, sasl $enable_sasl, sanitize $enable_sanitize, fuzz $enable_fuzz, dnl
schedule $enable_schedule])
])
