/**
 * @file cookie.h
 * @brief What a client has to send back before the server keeps anything for it; see docs/security-
 * protocol.md.
 *
 * There are two kinds: that of a RETRY, and that which a client takes with it from one session to the next. A
 * cookie costs one SipHash to make and one to check, and no memory. Call with the host's lock held.
 */
#ifndef ENETJS_COOKIE_H
#define ENETJS_COOKIE_H

#include <stdbool.h>

#include "wire/endpoint.h"
#include "wire/security/sodium.h"

#define ENETJS_COOKIE_BYTES 16

/** The secrets of a server for one kind of cookies. But for `resumption`, all zero before the first use. */
struct enetjs_cookies {
  bool resumption;
  uint32_t generation;
  uint64_t drawn_us;
  uint8_t secrets[2][ENETJS_SIPHASH_KEY_BYTES]; /**< of even and of odd generations */
};

/** What a cookie is for. One for resumption depends on the address alone. */
struct enetjs_cookie_subject {
  const struct enetjs_endpoint *from;
  const uint8_t *index;     /**< 4 bytes: the client's index, as in its HELLO */
  const uint8_t *ephemeral; /**< 32 bytes: the client's key, as in its HELLO */
};

void enetjs_cookie_make(struct enetjs_cookies *cookies, const struct enetjs_cookie_subject *subject,
                        uint64_t now_us, uint8_t cookie[ENETJS_COOKIE_BYTES]);
bool enetjs_cookie_check(struct enetjs_cookies *cookies, const struct enetjs_cookie_subject *subject,
                         uint64_t now_us, const uint8_t cookie[ENETJS_COOKIE_BYTES]);

#endif
