/*
 * See security.h. This file has the way in, the way out, path challenges, and the end of sessions.
 *
 * Once a second the stage looks which sessions ENet's peers have: ENet resets some peers without telling
 * anybody.
 */
#include "wire/security/security.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "wire/peer_ids.h"
#include "wire/security/bytes.h"
#include "wire/security/security_state.h"

#define LOOK_US 1000000u      /* how often it is looked which sessions have a peer */
#define ALONE_US 25000000u    /* until a session ends that no peer has had; an attempt may wait so long, */
#define PEER_GONE_US 1000000u /* and one whose peer is gone */
#define CHALLENGE_US 50000u   /* between challenges, whomever they are sent to */
#define CHALLENGE_LIFE_US 3000000u
#define CONTROL_BYTES 5
#define KIND_CHALLENGE 1
#define KIND_RESPONSE 2

_Static_assert(ENETJS_SEAL_OVERHEAD == ENETJS_SESSION_OVERHEAD, "what ENet's MTU is lowered by");

/* ---- Moving ---------------------------------------------------------------------------------- */

static void send_control(struct enetjs_security *security, struct enetjs_session *session,
                         const struct enetjs_endpoint *to, uint8_t kind, uint32_t value, uint64_t now_us) {
  uint8_t plain[CONTROL_BYTES], out[CONTROL_BYTES + ENETJS_SEAL_OVERHEAD];
  size_t length;
  plain[0] = kind;
  enetjs_put_u32(plain + 1, value);
  length = enetjs_seal(&session->sealing, ENETJS_TYPE_CONTROL, plain, sizeof(plain), out, now_us);
  if (length > 0) enetjs_security_send(security, to, out, length);
}

/* Something authentic and new has come from another address. */
static void challenge(struct enetjs_security *security, struct enetjs_session *session,
                      const struct enetjs_endpoint *from, size_t length, uint64_t now_us) {
  bool known = session->has_candidate && enetjs_endpoint_same(&session->candidate, from);
  if (length < CONTROL_BYTES + ENETJS_SEAL_OVERHEAD) return;
  if (session->challenged_us != 0 && now_us < session->challenged_us + CHALLENGE_US) return;
  if (!known || now_us - session->challenged_us >= CHALLENGE_LIFE_US)
    enetjs_random(&session->challenge, sizeof(session->challenge));
  session->candidate = *from;
  session->has_candidate = true;
  session->challenged_us = now_us;
  send_control(security, session, from, KIND_CHALLENGE, session->challenge, now_us);
}

static void take_response(struct enetjs_security *security, struct enetjs_session *session,
                          const struct enetjs_endpoint *from, const uint8_t *value, uint64_t now_us) {
  uint8_t expected[4];
  if (!session->has_candidate || now_us - session->challenged_us >= CHALLENGE_LIFE_US ||
      !enetjs_endpoint_same(&session->candidate, from))
    return;
  enetjs_put_u32(expected, session->challenge);
  if (enetjs_sodium()->memcmp(expected, value, sizeof(expected)) != 0) return;
  session->real = *from;
  session->has_candidate = false;
  enetjs_security_put_report(security, session, ENETJS_SESSION_HAS_MOVED);
  enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MOVED);
}

static void take_control(struct enetjs_security *security, struct enetjs_session *session,
                         const struct enetjs_endpoint *from, const uint8_t *plain, size_t length,
                         uint64_t now_us) {
  if (length == CONTROL_BYTES && plain[0] == KIND_CHALLENGE && !session->server)
    send_control(security, session, &session->real, KIND_RESPONSE, enetjs_get_u32(plain + 1), now_us);
  else if (length == CONTROL_BYTES && plain[0] == KIND_RESPONSE && session->server)
    take_response(security, session, from, plain + 1, now_us);
  else
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
}

/* ---- The way in ------------------------------------------------------------------------------ */

/* Opens a datagram of a session. @returns the session, when the datagram is authentic and goes on */
static struct enetjs_session *open_datagram(struct enetjs_security *security,
                                            const struct enetjs_endpoint *from, const uint8_t *datagram,
                                            size_t length, uint8_t *plain, uint64_t now_us) {
  struct enetjs_session *session =
      enetjs_sessions_by_index(&security->sessions, enetjs_get_u32(datagram + 1));
  bool has_keys =
      session && (session->state == ENETJS_SESSION_OPEN || session->state == ENETJS_SESSION_HALF_OPEN);
  enum enetjs_open_verdict verdict;
  bool elsewhere = !has_keys || !enetjs_endpoint_same(&session->real, from);
  if (elsewhere && !security->parts.admits(security->parts.owner, from, length)) return NULL;
  if (!has_keys) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_UNKNOWN);
    return NULL;
  }
  verdict = enetjs_open(&session->opening, datagram, length, plain, now_us);
  if (verdict != ENETJS_OPEN_AUTHENTIC && verdict != ENETJS_OPEN_NEWER) {
    enetjs_security_count(security, verdict == ENETJS_OPEN_REPLAYED ? ENETJS_HOST_STAT_SECURITY_REPLAYED
                                                                    : ENETJS_HOST_STAT_SECURITY_FORGED);
    return NULL;
  }
  if (session->state == ENETJS_SESSION_HALF_OPEN && !enetjs_security_confirm(security, session)) return NULL;
  if (elsewhere && session->server && verdict == ENETJS_OPEN_NEWER)
    challenge(security, session, from, length, now_us);
  return session;
}

static int take_sealed(struct enetjs_security *security, struct enetjs_endpoint *from,
                       const uint8_t *datagram, size_t length, ENetBuffer *out) {
  uint64_t now_us = enetjs_clock_us();
  size_t plain = length - ENETJS_SEAL_OVERHEAD;
  struct enetjs_session *session;
  if (length <= ENETJS_SEAL_OVERHEAD || plain > out->dataLength) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
    return 0;
  }
  session = open_datagram(security, from, datagram, length, out->data, now_us);
  if (!session) return 0;
  if (datagram[0] == ENETJS_TYPE_CONTROL) {
    take_control(security, session, from, out->data, plain, now_us);
    return 0;
  }
  *from = enetjs_endpoint_of_ipv4(session->number, session->port);
  return (int)plain;
}

int enetjs_security_arrive(struct enetjs_security *security, struct enetjs_endpoint *from,
                           const uint8_t *datagram, size_t length, ENetBuffer *out) {
  if (length < 2 || (datagram[0] & 0x0F) != 0x0F || datagram[1] == 0xFF) return ENETJS_SECURITY_PLAIN;
  switch (datagram[0]) {
    case ENETJS_TYPE_HELLO:
      enetjs_security_take_hello(security, from, datagram, length, enetjs_clock_us());
      return 0;
    case ENETJS_TYPE_RETRY:
      enetjs_security_take_retry(security, from, datagram, length, enetjs_clock_us());
      return 0;
    case ENETJS_TYPE_REPLY:
      enetjs_security_take_reply(security, from, datagram, length, enetjs_clock_us());
      return 0;
    case ENETJS_TYPE_DATA:
    case ENETJS_TYPE_CONTROL: return take_sealed(security, from, datagram, length, out);
    default: enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED); return 0;
  }
}

/* ---- The way out ----------------------------------------------------------------------------- */

/* @returns the length, or 0 when there is no such room */
static size_t gather(uint8_t *out, size_t room, const ENetBuffer *buffers, size_t count) {
  size_t length = 0;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].dataLength > room - length) return 0;
    if (buffers[i].dataLength > 0) memcpy(out + length, buffers[i].data, buffers[i].dataLength);
    length += buffers[i].dataLength;
  }
  return length;
}

size_t enetjs_security_leave(struct enetjs_security *security, struct enetjs_endpoint *to,
                             const ENetBuffer *buffers, size_t count, enetjs_sealed_room out) {
  struct enetjs_session *session = enetjs_sessions_by_number(&security->sessions, enetjs_endpoint_ipv4(to));
  size_t length;
  if (!session) return 0;
  if (session->state == ENETJS_SESSION_HELLO)
    session->hello->held =
        gather(session->hello->held_bytes, sizeof(session->hello->held_bytes), buffers, count);
  if (session->state != ENETJS_SESSION_OPEN) return 0;
  length = gather(security->plain, sizeof(security->plain), buffers, count);
  if (length == 0) return 0;
  *to = session->real;
  return enetjs_seal(&session->sealing, ENETJS_TYPE_DATA, security->plain, length, out, enetjs_clock_us());
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void end_session(struct enetjs_security *security, struct enetjs_session *session) {
  security->hellos -= session->state == ENETJS_SESSION_HELLO;
  security->reports -= session->report != 0;
  enetjs_sessions_remove(&security->sessions, session);
}

/* A peer keeps its address until its place is used again. */
static void note_peers(struct enetjs_security *security, uint64_t now_us) {
  for (size_t i = 0; i < security->parts.enet->peerCount; i++) {
    const ENetPeer *peer = &security->parts.enet->peers[i];
    struct enetjs_session *session;
    if (!enetjs_is_live(peer)) continue;
    session = enetjs_sessions_by_number(&security->sessions, ENET_NET_TO_HOST_32(peer->address.host));
    if (!session) continue;
    session->peered = true;
    session->alone_us = now_us;
  }
}

void enetjs_security_make_room(struct enetjs_security *security, uint64_t now_us) {
  struct enetjs_session *oldest = NULL;
  if (security->sessions.count < security->sessions.room) return;
  note_peers(security, now_us);
  for (uint32_t i = 0; i < security->sessions.room; i++) {
    struct enetjs_session *session = security->sessions.places[i];
    if (!session || session->peered || session->state != ENETJS_SESSION_OPEN) continue;
    if (!oldest || session->began_us < oldest->began_us) oldest = session;
  }
  if (oldest) end_session(security, oldest);
}

static bool is_over(const struct enetjs_session *session, uint64_t now_us) {
  if (session->state == ENETJS_SESSION_HELLO && !session->peered) return true; /* ENet had no peer for it */
  if (session->peered) return now_us - session->alone_us >= PEER_GONE_US;
  return now_us - session->began_us >= ALONE_US;
}

static void end_sessions(struct enetjs_security *security, uint64_t now_us) {
  for (uint32_t i = 0; i < security->sessions.room; i++) {
    struct enetjs_session *session = security->sessions.places[i];
    if (!session || session->state == ENETJS_SESSION_HALF_OPEN || !is_over(session, now_us)) continue;
    end_session(security, session);
  }
}

void enetjs_security_tick(struct enetjs_security *security) {
  uint64_t now_us;
  if (!security || security->sessions.count == 0) return;
  now_us = enetjs_clock_us();
  enetjs_security_send_hellos(security, now_us);
  if (now_us - security->looked_us < LOOK_US) return;
  security->looked_us = now_us;
  enetjs_security_drop_half_open(security, now_us);
  note_peers(security, now_us);
  end_sessions(security, now_us);
}

int enetjs_security_wait(const struct enetjs_security *security) {
  uint64_t now_us, next;
  if (!security || security->sessions.count == 0) return -1;
  now_us = enetjs_clock_us();
  next = enetjs_security_next_hello(security);
  if (security->looked_us + LOOK_US < next) next = security->looked_us + LOOK_US;
  return next <= now_us ? 0 : (int)((next - now_us + 999) / 1000);
}

/* @returns NULL where the endpoint is no session's */
static struct enetjs_session *session_of(const struct enetjs_security *security,
                                         const struct enetjs_endpoint *endpoint) {
  if (!security || !enetjs_endpoint_is_session(endpoint)) return NULL;
  return enetjs_sessions_by_number(&security->sessions, enetjs_endpoint_ipv4(endpoint));
}

void enetjs_security_peer_gone(struct enetjs_security *security, const struct enetjs_endpoint *endpoint) {
  struct enetjs_session *session = session_of(security, endpoint);
  if (!session) return;
  if (session->state == ENETJS_SESSION_HELLO) { /* the REPLY would have ENet's CONNECT leave */
    end_session(security, session);
    return;
  }
  session->peered = true;
  session->alone_us = enetjs_clock_us();
}

bool enetjs_security_takes_connect(struct enetjs_security *security, const struct enetjs_endpoint *endpoint,
                                   uint32_t connect_id) {
  struct enetjs_session *session =
      enetjs_sessions_by_number(&security->sessions, enetjs_endpoint_ipv4(endpoint));
  if (session && session->server && (!session->has_connect || session->connect_id == connect_id)) {
    session->has_connect = true;
    session->connect_id = connect_id;
    return true;
  }
  enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
  return false;
}

/* ---- For the host ---------------------------------------------------------------------------- */

struct enetjs_endpoint enetjs_security_real(const struct enetjs_security *security,
                                            const struct enetjs_endpoint *endpoint) {
  const struct enetjs_session *session = session_of(security, endpoint);
  return session ? session->real : *endpoint;
}

bool enetjs_security_facts(const struct enetjs_security *security, const struct enetjs_endpoint *endpoint,
                           struct enetjs_security_facts *facts) {
  const struct enetjs_session *session = session_of(security, endpoint);
  if (!session) return false;
  facts->open = session->state == ENETJS_SESSION_OPEN;
  facts->aes = session->aes;
  facts->status = session->status;
  facts->client_key = session->has_client_key ? session->client_key : NULL;
  facts->token = session->token;
  facts->token_bytes = session->token_bytes;
  return true;
}

unsigned enetjs_security_take_report(struct enetjs_security *security, struct enetjs_endpoint *endpoint) {
  for (uint32_t i = 0; security && security->reports > 0 && i < security->sessions.room; i++) {
    struct enetjs_session *session = security->sessions.places[i];
    unsigned report = session ? session->report : 0;
    if (report == 0) continue;
    session->report = 0;
    security->reports--;
    *endpoint = enetjs_endpoint_of_ipv4(session->number, session->port);
    return report;
  }
  return 0;
}

bool enetjs_security_required(const struct enetjs_security *security) {
  return security && security->serves && security->server.required;
}

void enetjs_security_gauges(const struct enetjs_security *security, uint64_t *open, uint64_t *half_open) {
  *open = *half_open = 0;
  if (!security) return;
  *half_open = security->sessions.half_open;
  for (uint32_t i = 0; i < security->sessions.room; i++)
    *open += security->sessions.places[i] && security->sessions.places[i]->state == ENETJS_SESSION_OPEN;
}

void enetjs_security_serve(struct enetjs_security *security, const struct enetjs_security_server *server) {
  security->serves = true;
  security->server = *server;
  security->tokens.issuer_count = server->issuer_count;
  memcpy(security->tokens.issuers, server->issuers, sizeof(server->issuers));
  memcpy(security->tokens.server, server->keys.public, ENETJS_KEY_BYTES);
}

struct enetjs_security *enetjs_security_create(const struct enetjs_security_parts *parts) {
  struct enetjs_security *security = calloc(1, sizeof(*security));
  if (!security) return NULL;
  security->parts = *parts;
  security->resumption_cookies.resumption = true;
  if (enetjs_sessions_create(&security->sessions, parts->enet->peerCount)) return security;
  free(security);
  return NULL;
}

void enetjs_security_destroy(struct enetjs_security *security) {
  if (!security) return;
  enetjs_sessions_destroy(&security->sessions);
  enetjs_tokens_clear(&security->tokens);
  enetjs_sodium()->memzero(security, sizeof(*security));
  free(security);
}
