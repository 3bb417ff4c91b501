/* See sessions.h. A place's rounds make the number of its next session another one than those before. */
#include "wire/security/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "wire/security/bytes.h"

#define PLACE_BITS 14
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define ROUNDS ((1u << 12) - 1) /* fewer than the bits hold, so that 255.255.255.255 is never given */
#define MAXIMUM_ROOM (PLACE_MASK + 1)

_Static_assert(ENETJS_SECURITY_MAXIMUM_PEERS + ENETJS_HALF_OPEN_SESSIONS + ENETJS_SPARE_SESSIONS <
                   MAXIMUM_ROOM,
               "every session has a place");

bool enetjs_sessions_create(struct enetjs_sessions *table, size_t peers) {
  memset(table, 0, sizeof(*table));
  table->room = (uint32_t)peers + ENETJS_HALF_OPEN_SESSIONS + ENETJS_SPARE_SESSIONS;
  table->places = calloc(table->room, sizeof(*table->places));
  table->rounds = calloc(table->room, sizeof(*table->rounds));
  enetjs_random(&table->seed, sizeof(table->seed));
  if (table->places && table->rounds) return true;
  enetjs_sessions_destroy(table);
  return false;
}

void enetjs_sessions_destroy(struct enetjs_sessions *table) {
  for (uint32_t i = 0; table->places && i < table->room; i++)
    if (table->places[i]) enetjs_sessions_remove(table, table->places[i]);
  free(table->places);
  free(table->rounds);
  memset(table, 0, sizeof(*table));
}

/* ---- Finding --------------------------------------------------------------------------------- */

struct enetjs_session *enetjs_sessions_by_index(const struct enetjs_sessions *table, uint32_t index) {
  uint32_t place = index & PLACE_MASK;
  struct enetjs_session *session = place < table->room ? table->places[place] : NULL;
  return session && session->local == index ? session : NULL;
}

struct enetjs_session *enetjs_sessions_by_number(const struct enetjs_sessions *table, uint32_t number) {
  uint32_t place = number & PLACE_MASK;
  struct enetjs_session *session = place < table->room ? table->places[place] : NULL;
  return session && session->number == number ? session : NULL;
}

static struct enetjs_session **chain_of(struct enetjs_sessions *table, const uint8_t *ephemeral) {
  uint64_t hash = (enetjs_get_u64(ephemeral) ^ table->seed) * (table->seed | 1);
  return &table->chains[(hash ^ hash >> 32) % ENETJS_SESSION_CHAINS];
}

struct enetjs_session *enetjs_sessions_by_hello(const struct enetjs_sessions *table, const uint8_t *ephemeral,
                                                const struct enetjs_endpoint *from) {
  struct enetjs_session *session = *chain_of((struct enetjs_sessions *)(uintptr_t)table, ephemeral);
  while (session && (memcmp(session->ephemeral, ephemeral, ENETJS_KEY_BYTES) != 0 ||
                     !enetjs_endpoint_same(&session->real, from)))
    session = session->chain;
  return session;
}

/* ---- States of a server's session ------------------------------------------------------------ */

static void leave_queue(struct enetjs_sessions *table, struct enetjs_session *session) {
  *(session->older ? &session->older->newer : &table->oldest) = session->newer;
  *(session->newer ? &session->newer->older : &table->newest) = session->older;
  session->older = session->newer = NULL;
  table->half_open--;
}

void enetjs_sessions_set_half_open(struct enetjs_sessions *table, struct enetjs_session *session) {
  struct enetjs_session **chain = chain_of(table, session->ephemeral);
  session->state = ENETJS_SESSION_HALF_OPEN;
  session->server = true;
  session->chain = *chain;
  *chain = session;
  session->older = table->newest;
  *(table->newest ? &table->newest->newer : &table->oldest) = session;
  table->newest = session;
  table->half_open++;
}

void enetjs_sessions_set_open(struct enetjs_sessions *table, struct enetjs_session *session) {
  if (session->state == ENETJS_SESSION_HALF_OPEN) leave_queue(table, session);
  session->state = ENETJS_SESSION_OPEN;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static uint32_t free_place(struct enetjs_sessions *table) {
  for (uint32_t i = 0; i < table->room; i++) {
    table->latest = (table->latest + 1) % table->room;
    if (!table->places[table->latest]) return table->latest;
  }
  return table->room;
}

static uint32_t draw_index(uint32_t place) {
  uint32_t index;
  do enetjs_random(&index, sizeof(index));
  while (index >> 24 == 0xFF);
  return (index & ~PLACE_MASK) | place;
}

struct enetjs_session *enetjs_sessions_add(struct enetjs_sessions *table,
                                           const struct enetjs_endpoint *real) {
  struct enetjs_session *session;
  uint32_t place;
  if (table->half_open >= ENETJS_HALF_OPEN_SESSIONS) enetjs_sessions_remove(table, table->oldest);
  place = free_place(table);
  if (place == table->room) return NULL;
  session = calloc(1, sizeof(*session));
  if (!session) return NULL;
  table->rounds[place] = (uint16_t)(table->rounds[place] % (ROUNDS - 1) + 1);
  session->number = ENETJS_FIRST_SESSION | (enetjs_endpoint_is_ipv4(real) ? 0 : ENETJS_SESSION_IPV6) |
                    (uint32_t)table->rounds[place] << PLACE_BITS | place;
  session->local = draw_index(place);
  session->port = real->port;
  session->real = *real;
  table->places[place] = session;
  table->count++;
  return session;
}

void enetjs_session_begin_keys(struct enetjs_session *session, const uint8_t sealing[ENETJS_KEY_BYTES],
                               const uint8_t opening[ENETJS_KEY_BYTES], uint32_t remote, uint64_t now_us) {
  const struct enetjs_cipher *cipher = session->aes ? &enetjs_sodium()->aes : &enetjs_sodium()->chacha;
  enetjs_sealing_begin(&session->sealing, cipher, sealing, remote, now_us);
  enetjs_opening_begin(&session->opening, cipher, opening, now_us);
}

void enetjs_session_end_hello(struct enetjs_session *session) {
  if (!session->hello) return;
  enetjs_sodium()->memzero(session->hello, sizeof(*session->hello));
  free(session->hello);
  session->hello = NULL;
}

void enetjs_sessions_remove(struct enetjs_sessions *table, struct enetjs_session *session) {
  if (session->server) {
    struct enetjs_session **link = chain_of(table, session->ephemeral);
    while (*link != session) link = &(*link)->chain;
    *link = session->chain;
    if (session->state == ENETJS_SESSION_HALF_OPEN) leave_queue(table, session);
  }
  enetjs_session_end_hello(session);
  if (session->token) enetjs_sodium()->memzero(session->token, session->token_bytes);
  free(session->token);
  table->places[session->local & PLACE_MASK] = NULL;
  table->count--;
  enetjs_sodium()->memzero(session, sizeof(*session));
  free(session);
}
