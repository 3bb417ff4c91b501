/*
 * Encrypted connections of a host: the calls of the border, and what the program is told. wire/security has
 * the protocol.
 *
 * The stage is created when a host is first asked for it; before that no datagram passes it. Keys are copied
 * out of the caller's memory, and the copies are wiped. Called with the host's lock held, but for the
 * border's functions.
 */
#include "wire/security/security.h"

#include <string.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/filter.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/peer_ids.h"
#include "wire/socket.h"

/* ---- What the stage asks of the host --------------------------------------------------------- */

static void send_below(void *owner, const struct enetjs_endpoint *to, const uint8_t *bytes, size_t length) {
  struct enetjs_host *h = owner;
  enetjs_batch_put(h->batch, to, bytes, length);
}

static bool admits(void *owner, const struct enetjs_endpoint *from, size_t length) {
  struct enetjs_host *h = owner;
  if (enetjs_filter_denies(&h->filter, from)) {
    h->counters[ENETJS_HOST_STAT_FILTERED]++;
    return false;
  }
  return !h->limits || enetjs_limits_admit_datagram(h->limits, enetjs_endpoint_network(from), length, false);
}

static bool admits_handshake(void *owner, const struct enetjs_endpoint *from) {
  struct enetjs_host *h = owner;
  uint64_t network = enetjs_endpoint_network(from);
  if (!h->limits) return true;
  if (!enetjs_limits_admit_connect(h->limits, network)) return false;
  enetjs_limits_charge_connect(h->limits, network);
  return true;
}

/* @returns 0 or an error code */
static int open_stage(struct enetjs_host *h) {
  struct enetjs_security_parts parts = {h->enet, h->counters, send_below, admits, admits_handshake, h};
  if (h->security) return 0;
  if (!enetjs_sodium()) return ENETJS_ERR_SECURITY;
  if (!h->batch || !h->peer_ids || enetjs_batch_arrives() <= 0) return ENETJS_ERR_UNGUARDED;
  if (h->enet->peerCount > ENETJS_SECURITY_MAXIMUM_PEERS) return ENETJS_ERR_ARGUMENT;
  h->security = enetjs_security_create(&parts);
  if (!h->security) return ENETJS_ERR_MEMORY;
  enetjs_batch_set_security(h->batch, h->security);
  enetjs_peer_ids_set_security(h->peer_ids, h->security);
  return 0;
}

/* ---- The border ------------------------------------------------------------------------------ */

/* @returns whether both keys belong together */
static bool read_pair(struct enetjs_key_pair *pair, const uint8_t *bytes) {
  enetjs_key_pair_of(pair, bytes);
  return memcmp(pair->public, bytes + ENETJS_KEY_BYTES, ENETJS_KEY_BYTES) == 0;
}

/* @returns 0 or an error code */
static int read_server(const uint8_t *bytes, size_t length, struct enetjs_security_server *server) {
  const uint8_t *issuers = bytes + ENETJS_SECURITY_SERVER_ISSUERS;
  memset(server, 0, sizeof(*server));
  if (length < ENETJS_SECURITY_SERVER_ISSUERS ||
      (length - ENETJS_SECURITY_SERVER_ISSUERS) % ENETJS_KEY_BYTES != 0)
    return ENETJS_ERR_ARGUMENT;
  server->issuer_count = (unsigned)((length - ENETJS_SECURITY_SERVER_ISSUERS) / ENETJS_KEY_BYTES);
  if (server->issuer_count > ENETJS_SECURITY_MAXIMUM_ISSUERS) return ENETJS_ERR_ARGUMENT;
  memcpy(server->issuers, issuers, server->issuer_count * (size_t)ENETJS_KEY_BYTES);
  server->required = (bytes[0] & ENETJS_SECURITY_REQUIRED) != 0;
  server->has_psk = (bytes[0] & ENETJS_SECURITY_PSK) != 0;
  server->aes = (bytes[0] & ENETJS_SECURITY_AES) != 0;
  memcpy(server->psk, bytes + ENETJS_SECURITY_PSK_AT, ENETJS_KEY_BYTES);
  return read_pair(&server->keys, bytes + ENETJS_SECURITY_PAIR_AT) ? 0 : ENETJS_ERR_KEY_PAIR;
}

double enetjs_host_set_security(double host, const uint8_t *bytes, double length) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_security_server server;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (bytes && h->bound && enetjs_is_integer(length, 0, 65536))
    result = h->guard ? open_stage(h) : ENETJS_ERR_UNGUARDED;
  if (result == 0) result = read_server(bytes, (size_t)length, &server);
  if (result == 0) enetjs_security_serve(h->security, &server);
  if (enetjs_sodium()) enetjs_sodium()->memzero(&server, sizeof(server));
  enetjs_host_release(h);
  return result;
}

/* @returns 0 or an error code */
static int read_attempt(const uint8_t *bytes, size_t length, struct enetjs_security_attempt *attempt) {
  memset(attempt, 0, sizeof(*attempt));
  if (length < ENETJS_SECURITY_ATTEMPT_TOKEN ||
      length > ENETJS_SECURITY_ATTEMPT_TOKEN + ENETJS_SECURITY_MAXIMUM_TOKEN)
    return ENETJS_ERR_ARGUMENT;
  attempt->has_psk = (bytes[0] & ENETJS_SECURITY_PSK) != 0;
  attempt->has_keys = (bytes[0] & ENETJS_SECURITY_KEYS) != 0;
  attempt->aes = (bytes[0] & ENETJS_SECURITY_AES) != 0;
  memcpy(attempt->psk, bytes + ENETJS_SECURITY_PSK_AT, ENETJS_KEY_BYTES);
  memcpy(attempt->server_key, bytes + ENETJS_SECURITY_ATTEMPT_SERVER_KEY, ENETJS_KEY_BYTES);
  attempt->token = bytes + ENETJS_SECURITY_ATTEMPT_TOKEN;
  attempt->token_bytes = length - ENETJS_SECURITY_ATTEMPT_TOKEN;
  if (attempt->has_psk && attempt->has_keys) return ENETJS_ERR_ARGUMENT;
  if (attempt->has_keys && !read_pair(&attempt->keys, bytes + ENETJS_SECURITY_PAIR_AT))
    return ENETJS_ERR_KEY_PAIR;
  return 0;
}

static double connect_secured(struct enetjs_host *h, const struct enetjs_endpoint *to, size_t channels,
                              enet_uint32 data, const uint8_t *bytes, size_t length) {
  struct enetjs_security_attempt attempt;
  struct enetjs_endpoint session;
  double result = open_stage(h);
  if (result == 0) result = read_attempt(bytes, length, &attempt);
  if (result == 0) result = enetjs_security_connect(h->security, to, &attempt, &session);
  if (enetjs_sodium()) enetjs_sodium()->memzero(&attempt, sizeof(attempt));
  if (result != 0) return result;
  result = enetjs_host_connect_to(h, &session, channels, data);
  if (result < 0) enetjs_security_peer_gone(h->security, &session);
  return result;
}

double enetjs_host_connect_secured(double host, double address, double port, double channels, double data,
                                   const uint8_t *bytes, double length) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_endpoint to;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (bytes && enetjs_is_integer(channels, 1, ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT) &&
      enetjs_is_integer(data, 0, UINT32_MAX) && enetjs_is_integer(length, 0, 65536))
    result = enetjs_host_endpoint(h, address, port, &to);
  if (result == 0)
    result = connect_secured(h, &to, (size_t)channels, (enet_uint32)data, bytes, (size_t)length);
  enetjs_host_release(h);
  return result;
}

/* @returns bytes written, 0 where there is no session */
static double write_facts(const struct enetjs_host *h, const struct enetjs_endpoint *session, uint8_t *out) {
  struct enetjs_security_facts facts;
  memset(out, 0, ENETJS_SECURITY_FACTS_TOKEN);
  if (!h->security || !enetjs_security_facts(h->security, session, &facts)) return 0;
  if (facts.aes) out[0] |= ENETJS_SECURITY_FACTS_AES;
  if (facts.client_key) {
    out[0] |= ENETJS_SECURITY_FACTS_HAS_KEY;
    memcpy(out + ENETJS_SECURITY_FACTS_CLIENT_KEY, facts.client_key, ENETJS_KEY_BYTES);
  }
  if (facts.token_bytes > 0) memcpy(out + ENETJS_SECURITY_FACTS_TOKEN, facts.token, facts.token_bytes);
  return (double)(ENETJS_SECURITY_FACTS_TOKEN + facts.token_bytes);
}

double enetjs_question_security(double host, double question, uint8_t *out, double capacity) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_endpoint from;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (out && capacity >= ENETJS_SECURITY_FACTS_BYTES && enetjs_is_integer(question, 0, UINT32_MAX))
    result = h->guard && enetjs_guard_questioner(h->guard, (uint32_t)question, &from)
                 ? write_facts(h, &from, out)
                 : ENETJS_ERR_STALE;
  enetjs_host_release(h);
  return result;
}

double enetjs_sodium_version(uint8_t *out, double capacity) {
  const char *version = enetjs_sodium() ? enetjs_sodium()->version() : "";
  size_t length = strlen(version);
  if (!out || capacity < (double)length) return ENETJS_ERR_ARGUMENT;
  memcpy(out, version, length);
  return (double)length;
}

/* ---- What the program is told ---------------------------------------------------------------- */

static struct enetjs_slot *slot_of(struct enetjs_host *h, const struct enetjs_endpoint *session) {
  ENetAddress address = enetjs_endpoint_plain(session);
  for (size_t i = 0; i < h->enet->peerCount; i++)
    if (enetjs_is_live(&h->enet->peers[i]) && h->enet->peers[i].address.host == address.host)
      return &h->slots[i];
  return NULL;
}

void enetjs_security_emit_client(struct enetjs_slot *slot) {
  struct enetjs_host *h = slot->host;
  struct enetjs_endpoint session = enetjs_endpoint_of(&enetjs_peer_of(slot)->address);
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  uint8_t facts[ENETJS_SECURITY_FACTS_BYTES];
  size_t length = (size_t)write_facts(h, &session, facts);
  ENetPacket *packet;
  if (length == 0) return;
  enetjs_pool_charge(h->account);
  packet = enet_packet_create(facts, length, 0);
  enetjs_pool_charge(NULL);
  if (!packet) return;
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_CLIENT;
  enetjs_emit_event(h, slot, record, packet);
}

/* Of a connected peer: its new address. */
static void tell_moved(struct enetjs_slot *slot, const struct enetjs_endpoint *session) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  struct enetjs_endpoint real = enetjs_security_real(slot->host->security, session);
  if (slot->host->peer_ids) enetjs_peer_ids_moved(slot->host->peer_ids, enetjs_peer_of(slot));
  if (!slot->connected) return;
  enetjs_fast_retransmit_path_lost(&slot->fast, enet_time_get());
  enetjs_resend_look(slot);
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_MOVED;
  record[ENETJS_RECORD_ADDRESS] = enetjs_emit_endpoint(slot->host, slot, &real);
  record[ENETJS_RECORD_EXTRA] = real.port;
  enetjs_emit_event(slot->host, slot, record, NULL);
}

/* The server has shown that it has its key. */
static void tell_secured(struct enetjs_slot *slot, const struct enetjs_endpoint *session) {
  struct enetjs_security_facts facts = {0};
  enetjs_security_facts(slot->host->security, session, &facts);
  enetjs_emit_completion(slot, ENETJS_COMPLETION_SECURED, facts.aes, 0);
}

/* The attempt is over: the server has said why. */
static void end_rejected(struct enetjs_slot *slot, const struct enetjs_endpoint *session) {
  struct enetjs_security_facts facts = {0};
  enetjs_security_facts(slot->host->security, session, &facts);
  enet_peer_reset(enetjs_peer_of(slot));
  enetjs_slot_end(slot, ENETJS_REASON_TOKEN, facts.status);
}

void enetjs_security_tell(struct enetjs_host *h) {
  struct enetjs_endpoint session;
  unsigned report;
  while ((report = enetjs_security_take_report(h->security, &session)) != 0) {
    struct enetjs_slot *slot = slot_of(h, &session);
    if (!slot) continue;
    if (report == ENETJS_SESSION_HAS_MOVED) tell_moved(slot, &session);
    if (report == ENETJS_SESSION_WAS_REJECTED) end_rejected(slot, &session);
    if (report == ENETJS_SESSION_HAS_OPENED && slot->outgoing) tell_secured(slot, &session);
  }
}

void enetjs_security_count_sessions(struct enetjs_host *h) {
  uint64_t plain = 0;
  for (size_t i = 0; i < h->enet->peerCount; i++)
    plain +=
        h->slots[i].connected && ENET_NET_TO_HOST_32(h->enet->peers[i].address.host) < ENETJS_FIRST_SESSION;
  h->counters[ENETJS_HOST_STAT_SECURITY_PLAIN_PEERS] = plain;
  enetjs_security_gauges(h->security, &h->counters[ENETJS_HOST_STAT_SECURITY_SESSIONS],
                         &h->counters[ENETJS_HOST_STAT_SECURITY_HALF_OPEN]);
}
