/*
 * The client's side of handshakes: the HELLO is sent until there is a REPLY, with the newest cookie. ENet's
 * CONNECT waits meanwhile, and leaves at once when the session is open.
 *
 * Call with the host's lock held.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "enetjs.h"
#include "wire/security/bytes.h"
#include "wire/security/security_state.h"

#define FIRST_US 250000u
#define LONGEST_US 1000000u
#define AT_ONCE 8 /* HELLOs that RETRYs cause; more wait for the timer */

/* ---- HELLO ----------------------------------------------------------------------------------- */

static enum enetjs_noise_pattern pattern_of(const struct enetjs_security_attempt *attempt) {
  return attempt->has_psk ? ENETJS_NOISE_NKPSK0 : attempt->has_keys ? ENETJS_NOISE_IK : ENETJS_NOISE_NK;
}

static void begin_noise(struct enetjs_hello *hello, const struct enetjs_security_attempt *attempt) {
  uint8_t prologue[ENETJS_PROLOGUE_BYTES];
  struct enetjs_noise_keys keys = {0};
  enetjs_security_prologue(hello->bytes, prologue);
  keys.pattern = pattern_of(attempt);
  keys.own = attempt->has_keys ? &attempt->keys : NULL;
  keys.remote = attempt->server_key;
  keys.psk = attempt->has_psk ? attempt->psk : NULL;
  keys.prologue = prologue;
  keys.prologue_bytes = sizeof(prologue);
  enetjs_noise_begin(&hello->noise, true, &keys);
}

/* @returns false when the server's key is none */
static bool write_hello(struct enetjs_hello *hello, uint32_t index,
                        const struct enetjs_security_attempt *attempt) {
  enum enetjs_noise_pattern pattern = pattern_of(attempt);
  size_t around = ENETJS_AT_NOISE + enetjs_noise_overhead(pattern, true),
         length = ENETJS_HELLO_TOKEN + attempt->token_bytes;
  uint8_t payload[ENETJS_HELLO_TOKEN + ENETJS_TOKEN_BYTES + ENETJS_HELLO_LEAST] = {0};
  payload[0] = (uint8_t)(attempt->token_bytes >> 8);
  payload[1] = (uint8_t)attempt->token_bytes;
  payload[2] = hello->offers_aes ? ENETJS_OFFERS_AES : 0;
  if (attempt->token_bytes > 0) memcpy(payload + ENETJS_HELLO_TOKEN, attempt->token, attempt->token_bytes);
  if (around + length < ENETJS_HELLO_LEAST) length = ENETJS_HELLO_LEAST - around;
  hello->bytes[0] = ENETJS_TYPE_HELLO;
  hello->bytes[ENETJS_AT_VERSION] = ENETJS_SECURITY_VERSION;
  hello->bytes[ENETJS_AT_PATTERN] = (uint8_t)pattern;
  enetjs_put_u32(hello->bytes + ENETJS_AT_INDEX, index);
  memcpy(hello->server_key, attempt->server_key, ENETJS_KEY_BYTES);
  begin_noise(hello, attempt);
  length = enetjs_noise_write(&hello->noise, payload, length, hello->bytes + ENETJS_AT_NOISE);
  hello->length = ENETJS_AT_NOISE + length;
  enetjs_sodium()->memzero(payload, sizeof(payload));
  return length > 0;
}

int enetjs_security_connect(struct enetjs_security *security, const struct enetjs_endpoint *to,
                            const struct enetjs_security_attempt *attempt, struct enetjs_endpoint *endpoint) {
  struct enetjs_session *session = enetjs_sessions_add(&security->sessions, to);
  if (!session) return ENETJS_ERR_MEMORY;
  session->hello = calloc(1, sizeof(*session->hello));
  if (session->hello) session->hello->offers_aes = attempt->aes && enetjs_sodium()->has_aes;
  if (!session->hello || !write_hello(session->hello, session->local, attempt)) {
    int error = session->hello ? ENETJS_ERR_ARGUMENT : ENETJS_ERR_MEMORY;
    enetjs_sessions_remove(&security->sessions, session);
    return error;
  }
  enetjs_resumption_take(&security->resumptions, to, attempt->server_key,
                         session->hello->bytes + ENETJS_AT_COOKIE);
  session->state = ENETJS_SESSION_HELLO;
  session->began_us = session->alone_us = session->hello->due_us = enetjs_clock_us();
  security->hellos++;
  *endpoint = enetjs_endpoint_of_ipv4(session->number, session->port);
  return 0;
}

static void send_hello(struct enetjs_security *security, struct enetjs_session *session, uint64_t now_us) {
  struct enetjs_hello *hello = session->hello;
  uint64_t wait = FIRST_US << (hello->sent < 2 ? hello->sent : 2);
  hello->sent++;
  hello->due_us = now_us + (wait < LONGEST_US ? wait : LONGEST_US);
  enetjs_security_send(security, &session->real, hello->bytes, hello->length);
}

void enetjs_security_send_hellos(struct enetjs_security *security, uint64_t now_us) {
  if (security->hellos == 0) return;
  for (uint32_t i = 0; i < security->sessions.room; i++) {
    struct enetjs_session *session = security->sessions.places[i];
    if (session && session->state == ENETJS_SESSION_HELLO && session->hello->due_us <= now_us)
      send_hello(security, session, now_us);
  }
}

uint64_t enetjs_security_next_hello(const struct enetjs_security *security) {
  uint64_t next = UINT64_MAX;
  for (uint32_t i = 0; security->hellos > 0 && i < security->sessions.room; i++) {
    const struct enetjs_session *session = security->sessions.places[i];
    if (session && session->state == ENETJS_SESSION_HELLO && session->hello->due_us < next)
      next = session->hello->due_us;
  }
  return next;
}

/* ---- RETRY and REPLY ------------------------------------------------------------------------- */

/* The session that waits for this answer, or NULL. */
static struct enetjs_session *asking(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                     const uint8_t *answer, size_t length, size_t expected) {
  struct enetjs_session *session;
  if (length != expected || answer[ENETJS_AT_VERSION] != ENETJS_SECURITY_VERSION) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
    return NULL;
  }
  session = enetjs_sessions_by_index(&security->sessions, enetjs_get_u32(answer + ENETJS_AT_INDEX));
  if (session && session->state == ENETJS_SESSION_HELLO && enetjs_endpoint_same(&session->real, from))
    return session;
  if (!session || session->server) enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_UNKNOWN);
  return NULL;
}

void enetjs_security_take_retry(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *retry, size_t length, uint64_t now_us) {
  struct enetjs_session *session = asking(security, from, retry, length, ENETJS_RETRY_BYTES);
  if (!session) return;
  memcpy(session->hello->bytes + ENETJS_AT_COOKIE, retry + ENETJS_AT_COOKIE, ENETJS_COOKIE_BYTES);
  if (session->hello->at_once++ < AT_ONCE) send_hello(security, session, now_us);
}

static void send_held(struct enetjs_security *security, struct enetjs_session *session, uint64_t now_us) {
  uint8_t out[ENETJS_HELD_DATAGRAM + ENETJS_SEAL_OVERHEAD];
  size_t length;
  if (session->hello->held == 0) return;
  length = enetjs_seal(&session->sealing, ENETJS_TYPE_DATA, session->hello->held_bytes, session->hello->held,
                       out, now_us);
  enetjs_security_send(security, &session->real, out, length);
}

static void open_session(struct enetjs_security *security, struct enetjs_session *session,
                         const uint8_t payload[ENETJS_REPLY_PAYLOAD], uint64_t now_us) {
  uint8_t clients[ENETJS_KEY_BYTES], servers[ENETJS_KEY_BYTES];
  enetjs_noise_split(&session->hello->noise, clients, servers);
  enetjs_session_begin_keys(session, clients, servers, enetjs_get_u32(payload), now_us);
  enetjs_sodium()->memzero(clients, sizeof(clients));
  enetjs_sodium()->memzero(servers, sizeof(servers));
  enetjs_resumption_put(&security->resumptions, &session->real, session->hello->server_key,
                        payload + ENETJS_REPLY_COOKIE);
  enetjs_sessions_set_open(&security->sessions, session);
  enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_HANDSHAKES);
  enetjs_security_put_report(security, session, ENETJS_SESSION_HAS_OPENED);
  send_held(security, session, now_us);
}

/* @returns false when this session's server cannot have written the REPLY; nothing changes then */
static bool read_reply(struct enetjs_session *session, const uint8_t *reply, size_t length,
                       uint8_t payload[ENETJS_REPLY_PAYLOAD]) {
  struct enetjs_hello *hello = session->hello;
  struct enetjs_noise before = hello->noise;
  bool good = reply[ENETJS_AT_PATTERN] == before.pattern &&
              enetjs_noise_read(&hello->noise, reply + ENETJS_AT_REPLY_NOISE, length - ENETJS_AT_REPLY_NOISE,
                                payload) &&
              payload[5] <= (hello->offers_aes ? ENETJS_OFFERS_AES : 0);
  if (!good) hello->noise = before;
  enetjs_noise_wipe(&before);
  return good;
}

void enetjs_security_take_reply(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *reply, size_t length, uint64_t now_us) {
  struct enetjs_session *session = asking(security, from, reply, length, ENETJS_REPLY_BYTES);
  uint8_t payload[ENETJS_REPLY_PAYLOAD];
  if (!session) return;
  if (!read_reply(session, reply, length, payload)) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_FORGED);
    return;
  }
  session->status = payload[4];
  session->aes = payload[5] == ENETJS_OFFERS_AES;
  security->hellos--;
  if (session->status == ENETJS_TOKEN_ACCEPTED) {
    open_session(security, session, payload, now_us);
  } else {
    session->state = ENETJS_SESSION_REJECTED;
    enetjs_security_put_report(security, session, ENETJS_SESSION_WAS_REJECTED);
  }
  enetjs_session_end_hello(session);
}
