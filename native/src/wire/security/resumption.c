/* See resumption.h. The places are a ring. */
#include "wire/security/resumption.h"

#include <string.h>

void enetjs_resumption_put(struct enetjs_resumptions *resumptions, const struct enetjs_endpoint *server,
                           const uint8_t server_key[ENETJS_KEY_BYTES],
                           const uint8_t cookie[ENETJS_COOKIE_BYTES]) {
  struct enetjs_resumption *place = &resumptions->places[resumptions->next++ % ENETJS_RESUMPTIONS];
  place->good = true;
  place->server = *server;
  memcpy(place->server_key, server_key, ENETJS_KEY_BYTES);
  memcpy(place->cookie, cookie, ENETJS_COOKIE_BYTES);
}

void enetjs_resumption_take(struct enetjs_resumptions *resumptions, const struct enetjs_endpoint *server,
                            const uint8_t server_key[ENETJS_KEY_BYTES], uint8_t cookie[ENETJS_COOKIE_BYTES]) {
  for (unsigned age = 1; age <= ENETJS_RESUMPTIONS; age++) {
    struct enetjs_resumption *place = &resumptions->places[(resumptions->next - age) % ENETJS_RESUMPTIONS];
    if (!place->good || !enetjs_endpoint_same(&place->server, server) ||
        memcmp(place->server_key, server_key, ENETJS_KEY_BYTES) != 0)
      continue;
    memcpy(cookie, place->cookie, ENETJS_COOKIE_BYTES);
    place->good = false;
    return;
  }
}
