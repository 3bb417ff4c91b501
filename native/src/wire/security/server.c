/*
 * The server's side of handshakes: HELLO, RETRY, REPLY. Until a HELLO brings a good cookie, its sender takes
 * a SipHash and no memory. What costs more is bounded: by the rate of the network, by the budget of the host,
 * and by the number of half-open sessions.
 *
 * Call with the host's lock held.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/security/bytes.h"
#include "wire/security/security_state.h"

#define BUDGET 128 /* handshakes at once, */
#define BUDGET_A_SECOND 1000.0
#define SHARE 250       /* handshakes of a network in a second */
#define NETWORK_SHARE 2 /* for each of these in a second, one of the budget is left to others; */
#define PREFIX_SHARE 8  /* the same for a prefix of networks */
#define RESUMED_SHARE 8 /* handshakes of a network in a second without a RETRY */
#define SECOND_US 1000000u
#define HALF_OPEN_US 5000000u

_Static_assert(ENETJS_NOISE_PAYLOAD >=
                   ENETJS_HELLO_BYTES - ENETJS_AT_NOISE - ENETJS_KEY_BYTES - ENETJS_TAG_BYTES,
               "the longest HELLO can be read");

/* ---- Limits ---------------------------------------------------------------------------------- */

static void refill_budget(struct enetjs_security *security, uint64_t now_us) {
  if (now_us > security->budget_us) {
    security->budget += (double)(now_us - security->budget_us) * BUDGET_A_SECOND / 1e6;
    security->budget_us = now_us;
  }
  if (security->budget > BUDGET) security->budget = BUDGET;
  if (now_us - security->share_us < SECOND_US) return;
  memset(security->shares, 0, sizeof(security->shares));
  security->share_us = now_us;
}

/* How many handshakes a network, or a prefix, has had in this second; with others of the same hash. */
static uint16_t *share_of(struct enetjs_security *security, uint64_t network) {
  uint64_t hash = (network ^ security->sessions.seed) * 0x9E3779B97F4A7C15u;
  return &security->shares[(hash ^ hash >> 32) % ENETJS_NETWORK_SHARES];
}

/*
 * Whoever has had the address of a cookie of a last session can send that cookie from there, for an hour. So
 * a network has few handshakes by such cookies, and none while many sessions are half-open. Others need a
 * RETRY.
 */
static bool may_resume(struct enetjs_security *security, const struct enetjs_endpoint *from,
                       uint64_t now_us) {
  uint16_t *share = share_of(security, ~enetjs_endpoint_network(from) ^ 1); /* which counts nothing else */
  refill_budget(security, now_us);
  if (*share >= RESUMED_SHARE || security->sessions.half_open >= ENETJS_HALF_OPEN_SESSIONS / 4) return false;
  ++*share;
  return true;
}

/* An IPv4 address's first 24 bits, an IPv6 address's first 48: who has one network may have all of these. */
static uint64_t prefix_of(const struct enetjs_endpoint *from) {
  uint64_t prefix = enetjs_endpoint_is_ipv4(from) ? from->low >> 8 : from->high >> 16;
  return ~prefix; /* which is no network */
}

/*
 * Whoever has had many handshakes in this second leaves a part of the budget to those who have had fewer. So
 * a few networks cannot use up the budget of all.
 */
static bool may_handshake(struct enetjs_security *security, const struct enetjs_endpoint *from,
                          uint64_t now_us) {
  uint16_t *network = share_of(security, enetjs_endpoint_network(from)),
           *prefix = share_of(security, prefix_of(from));
  refill_budget(security, now_us);
  if (*network >= SHARE || security->budget < 1 + *network / NETWORK_SHARE ||
      security->budget < 1 + *prefix / PREFIX_SHARE ||
      !security->parts.admits_handshake(security->parts.owner, from)) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_LIMITED);
    return false;
  }
  security->budget--;
  ++*network;
  ++*prefix;
  return true;
}

/* ---- Cookies --------------------------------------------------------------------------------- */

static void send_retry(struct enetjs_security *security, const struct enetjs_endpoint *to,
                       const uint8_t *hello, const struct enetjs_cookie_subject *subject, uint64_t now_us) {
  uint8_t retry[ENETJS_RETRY_BYTES] = {ENETJS_TYPE_RETRY, ENETJS_SECURITY_VERSION};
  memcpy(retry + ENETJS_AT_INDEX, hello + ENETJS_AT_INDEX, 4);
  enetjs_cookie_make(&security->cookies, subject, now_us, retry + ENETJS_AT_COOKIE);
  enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_RETRIES);
  enetjs_security_send(security, to, retry, sizeof(retry));
}

/* Whether a HELLO has a good cookie; else it is answered. */
static bool has_cookie(struct enetjs_security *security, const struct enetjs_endpoint *from,
                       const uint8_t *hello, uint64_t now_us) {
  struct enetjs_cookie_subject subject = {from, hello + ENETJS_AT_INDEX, hello + ENETJS_AT_NOISE};
  const uint8_t *cookie = hello + ENETJS_AT_COOKIE;
  if (enetjs_cookie_check(&security->cookies, &subject, now_us, cookie)) return true;
  if (enetjs_cookie_check(&security->resumption_cookies, &subject, now_us, cookie) &&
      may_resume(security, from, now_us))
    return true;
  send_retry(security, from, hello, &subject, now_us);
  return false;
}

/* A HELLO that was sent again gets the same REPLY. @returns whether there is a session of it */
static bool repeat_reply(struct enetjs_security *security, const struct enetjs_endpoint *from,
                         const uint8_t *hello) {
  const struct enetjs_session *session =
      enetjs_sessions_by_hello(&security->sessions, hello + ENETJS_AT_NOISE, from);
  if (!session) return false;
  if (session->state == ENETJS_SESSION_HALF_OPEN)
    enetjs_security_send(security, from, session->reply, sizeof(session->reply));
  return true;
}

/* ---- The handshake --------------------------------------------------------------------------- */

static bool takes_pattern(const struct enetjs_security *security, uint8_t pattern) {
  return security->server.has_psk ? pattern == ENETJS_NOISE_NKPSK0
                                  : pattern == ENETJS_NOISE_NK || pattern == ENETJS_NOISE_IK;
}

void enetjs_security_prologue(const uint8_t *hello, uint8_t prologue[ENETJS_PROLOGUE_BYTES]) {
  memcpy(prologue, ENETJS_PROLOGUE, sizeof(ENETJS_PROLOGUE) - 1);
  memcpy(prologue + sizeof(ENETJS_PROLOGUE) - 1, hello, 8);
}

static bool read_hello(const struct enetjs_security *security, const uint8_t *hello, size_t length,
                       struct enetjs_noise *noise, uint8_t *payload) {
  uint8_t prologue[ENETJS_PROLOGUE_BYTES];
  struct enetjs_noise_keys keys = {0};
  enetjs_security_prologue(hello, prologue);
  keys.pattern = hello[ENETJS_AT_PATTERN];
  keys.own = &security->server.keys;
  keys.psk = security->server.has_psk ? security->server.psk : NULL;
  keys.prologue = prologue;
  keys.prologue_bytes = sizeof(prologue);
  enetjs_noise_begin(noise, false, &keys);
  return enetjs_noise_read(noise, hello + ENETJS_AT_NOISE, length - ENETJS_AT_NOISE, payload);
}

/* Adds the Noise message. @returns false when it can't be written */
static bool write_reply(struct enetjs_noise *noise, const uint8_t *hello,
                        const uint8_t payload[ENETJS_REPLY_PAYLOAD], uint8_t reply[ENETJS_REPLY_BYTES]) {
  memset(reply, 0, ENETJS_REPLY_BYTES);
  memcpy(reply, hello, 8);
  reply[0] = ENETJS_TYPE_REPLY;
  return enetjs_noise_write(noise, payload, ENETJS_REPLY_PAYLOAD, reply + ENETJS_AT_REPLY_NOISE) > 0;
}

static void reject(struct enetjs_security *security, const struct enetjs_endpoint *to,
                   struct enetjs_noise *noise, const uint8_t *hello, unsigned status) {
  uint8_t payload[ENETJS_REPLY_PAYLOAD] = {0}, reply[ENETJS_REPLY_BYTES];
  payload[4] = (uint8_t)status;
  enetjs_security_count(security, ENETJS_HOST_STAT_TOKEN_MISSING + status - ENETJS_TOKEN_MISSING);
  if (write_reply(noise, hello, payload, reply)) enetjs_security_send(security, to, reply, sizeof(reply));
}

static bool keep_token(struct enetjs_session *session, const uint8_t *token, size_t length) {
  if (length == 0) return true;
  session->token = malloc(length);
  if (!session->token) return false;
  memcpy(session->token, token, length);
  session->token_bytes = length;
  return true;
}

/* @returns false when the Noise message can't be written */
static bool write_acceptance(struct enetjs_security *security, struct enetjs_session *session,
                             struct enetjs_noise *noise, const uint8_t *hello, uint64_t now_us) {
  struct enetjs_cookie_subject subject = {&session->real, NULL, NULL};
  uint8_t payload[ENETJS_REPLY_PAYLOAD] = {0};
  enetjs_put_u32(payload, session->local);
  payload[4] = ENETJS_TOKEN_ACCEPTED;
  payload[5] = session->aes ? ENETJS_OFFERS_AES : 0;
  enetjs_cookie_make(&security->resumption_cookies, &subject, now_us, payload + ENETJS_REPLY_COOKIE);
  return write_reply(noise, hello, payload, session->reply);
}

/* @param payload of the HELLO */
static void accept_client(struct enetjs_security *security, const struct enetjs_endpoint *from,
                          struct enetjs_noise *noise, const uint8_t *hello, const uint8_t *payload,
                          size_t token_bytes, uint64_t now_us) {
  struct enetjs_session *session;
  uint8_t clients[ENETJS_KEY_BYTES], servers[ENETJS_KEY_BYTES];
  enetjs_security_make_room(security, now_us);
  session = enetjs_sessions_add(&security->sessions, from);
  if (!session) return;
  session->aes = security->server.aes && (payload[2] & ENETJS_OFFERS_AES) && enetjs_sodium()->has_aes;
  if (!keep_token(session, payload + ENETJS_HELLO_TOKEN, token_bytes) ||
      !write_acceptance(security, session, noise, hello, now_us)) {
    enetjs_sessions_remove(&security->sessions, session);
    return;
  }
  session->has_client_key = noise->pattern == ENETJS_NOISE_IK;
  if (session->has_client_key) memcpy(session->client_key, noise->remote, ENETJS_KEY_BYTES);
  memcpy(session->ephemeral, hello + ENETJS_AT_NOISE, ENETJS_KEY_BYTES);
  enetjs_noise_split(noise, clients, servers);
  enetjs_session_begin_keys(session, servers, clients, enetjs_get_u32(hello + ENETJS_AT_INDEX), now_us);
  enetjs_sodium()->memzero(clients, sizeof(clients));
  enetjs_sodium()->memzero(servers, sizeof(servers));
  session->began_us = session->alone_us = now_us;
  enetjs_sessions_set_half_open(&security->sessions, session);
  enetjs_security_send(security, from, session->reply, sizeof(session->reply));
}

static void handshake(struct enetjs_security *security, const struct enetjs_endpoint *from,
                      const uint8_t *hello, size_t length, uint64_t now_us) {
  size_t payload_bytes = length - ENETJS_AT_NOISE - enetjs_noise_overhead(hello[ENETJS_AT_PATTERN], true),
         token_bytes;
  uint8_t payload[ENETJS_HELLO_BYTES];
  struct enetjs_noise noise;
  unsigned status;
  if (!read_hello(security, hello, length, &noise, payload)) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC);
    goto end;
  }
  token_bytes = enetjs_get_u16(payload);
  if (token_bytes > ENETJS_TOKEN_BYTES || token_bytes + ENETJS_HELLO_TOKEN > payload_bytes) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
    goto end;
  }
  if (security->tokens.issuer_count == 0) token_bytes = 0;
  status = enetjs_token_check(&security->tokens, payload + ENETJS_HELLO_TOKEN, token_bytes,
                              enetjs_wall_clock_ms());
  if (status == ENETJS_TOKEN_ACCEPTED)
    accept_client(security, from, &noise, hello, payload, token_bytes, now_us);
  else
    reject(security, from, &noise, hello, status);
end:
  enetjs_noise_wipe(&noise);
  enetjs_sodium()->memzero(payload, sizeof(payload));
}

void enetjs_security_take_hello(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *hello, size_t length, uint64_t now_us) {
  if (!security->serves || !security->parts.admits(security->parts.owner, from, length)) return;
  if (length < ENETJS_HELLO_LEAST || length > ENETJS_HELLO_BYTES ||
      hello[ENETJS_AT_VERSION] != ENETJS_SECURITY_VERSION ||
      hello[ENETJS_AT_PATTERN] >= ENETJS_NOISE_PATTERNS || hello[ENETJS_AT_INDEX] == 0xFF) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_MALFORMED);
    return;
  }
  if (!takes_pattern(security, hello[ENETJS_AT_PATTERN])) {
    enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC);
    return;
  }
  if (!has_cookie(security, from, hello, now_us) || repeat_reply(security, from, hello)) return;
  if (may_handshake(security, from, now_us)) handshake(security, from, hello, length, now_us);
}

/* ---- Half-open sessions ---------------------------------------------------------------------- */

bool enetjs_security_confirm(struct enetjs_security *security, struct enetjs_session *session) {
  if (session->token && !enetjs_token_use(&security->tokens, session->token, enetjs_wall_clock_ms())) {
    enetjs_security_count(security, ENETJS_HOST_STAT_TOKEN_USED);
    enetjs_sessions_remove(&security->sessions, session);
    return false;
  }
  enetjs_sessions_set_open(&security->sessions, session);
  enetjs_security_count(security, ENETJS_HOST_STAT_SECURITY_HANDSHAKES);
  return true;
}

void enetjs_security_drop_half_open(struct enetjs_security *security, uint64_t now_us) {
  struct enetjs_session *oldest;
  while ((oldest = security->sessions.oldest) != NULL && now_us - oldest->began_us >= HALF_OPEN_US)
    enetjs_sessions_remove(&security->sessions, oldest);
}
