/**
 * @file resumption.h
 * @brief The cookies that this host, as a client, has from its last sessions with servers.
 *
 * With such a cookie, the HELLO of the next session with that server needs no RETRY. No key of the last
 * session is used again. A cookie is used once. Call with the host's lock held.
 */
#ifndef ENETJS_RESUMPTION_H
#define ENETJS_RESUMPTION_H

#include "wire/security/cookie.h"

#define ENETJS_RESUMPTIONS 16

struct enetjs_resumption {
  bool good; /**< and not used yet */
  struct enetjs_endpoint server;
  uint8_t server_key[ENETJS_KEY_BYTES], cookie[ENETJS_COOKIE_BYTES];
};

/** All zero before the first one. */
struct enetjs_resumptions {
  unsigned next; /**< the place of the next one, which is that of the oldest one */
  struct enetjs_resumption places[ENETJS_RESUMPTIONS];
};

void enetjs_resumption_put(struct enetjs_resumptions *resumptions, const struct enetjs_endpoint *server,
                           const uint8_t server_key[ENETJS_KEY_BYTES],
                           const uint8_t cookie[ENETJS_COOKIE_BYTES]);

/** Takes the newest cookie of a server out. @param cookie is left as it is when there is none */
void enetjs_resumption_take(struct enetjs_resumptions *resumptions, const struct enetjs_endpoint *server,
                            const uint8_t server_key[ENETJS_KEY_BYTES], uint8_t cookie[ENETJS_COOKIE_BYTES]);

#endif
