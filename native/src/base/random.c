/*
 * The operating system's random source, for whatever a stranger must not guess: connect ids, sessions, keys
 * of hash tables. Without that source the process is aborted, because a number that can be guessed is worse
 * than none. Any thread may call.
 */
#include "base/random.h"

#include <stdlib.h>

#if defined(_WIN32)

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
/* clang-format off: bcrypt.h needs what windows.h declares */
#include <windows.h>
#include <bcrypt.h>
/* clang-format on */

void enetjs_random(void *out, size_t bytes) {
  if (BCryptGenRandom(NULL, out, (ULONG)bytes, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0) abort();
}

#elif defined(__linux__)

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

void enetjs_random(void *out, size_t bytes) {
  uint8_t *at = out;
  while (bytes > 0) {
    ssize_t got = getrandom(at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) abort();
    at += got;
    bytes -= (size_t)got;
  }
}

#else

void enetjs_random(void *out, size_t bytes) { arc4random_buf(out, bytes); }

#endif
