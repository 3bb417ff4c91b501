/**
 * @file security.h
 * @brief The security stage: what ENet sends to a session leaves sealed, and what comes for a session is
 * opened.
 *
 * docs/security-protocol.md specifies it. security.c has the way in and the way out, server.c and client.c
 * the handshakes. Above the stage a session is an endpoint with its number in place of an address
 * (endpoint.h).
 *
 * Call with the host's lock held. Needs libsodium.
 */
#ifndef ENETJS_SECURITY_H
#define ENETJS_SECURITY_H

#include "enetjs_layout.h"
#include "wire/endpoint.h"
#include "wire/security/noise.h"
#include "wire/security/seal.h"

struct enetjs_security;

/** What the stage works with; it lives longer than the stage. */
struct enetjs_security_parts {
  ENetHost *enet;
  uint64_t *counters; /**< of the host; those of ENETJS_HOST_STAT_SECURITY_… count */
  /** Sends below the stage, in a section of the batch. */
  void (*send)(void *owner, const struct enetjs_endpoint *to, const uint8_t *bytes, size_t length);
  /** Whether the filter and the rates of an address let a datagram be looked at. */
  bool (*admits)(void *owner, const struct enetjs_endpoint *from, size_t length);
  /** Whether an address may have another handshake, which is then counted. */
  bool (*admits_handshake)(void *owner, const struct enetjs_endpoint *from);
  void *owner;
};

/** Of a server. */
struct enetjs_security_server {
  struct enetjs_key_pair keys;
  bool has_psk, required, aes; /**< aes: AES-256-GCM is asked for */
  uint8_t psk[ENETJS_KEY_BYTES];
  unsigned issuer_count;
  uint8_t issuers[ENETJS_SECURITY_MAXIMUM_ISSUERS][ENETJS_KEY_BYTES];
};

/** Of an attempt. */
struct enetjs_security_attempt {
  uint8_t server_key[ENETJS_KEY_BYTES], psk[ENETJS_KEY_BYTES];
  struct enetjs_key_pair keys;
  bool has_psk, has_keys; /**< not both */
  bool aes;               /**< AES-256-GCM is asked for */
  const uint8_t *token;   /**< or NULL */
  size_t token_bytes;
};

/** @returns NULL when there is no memory */
struct enetjs_security *enetjs_security_create(const struct enetjs_security_parts *parts);
void enetjs_security_destroy(struct enetjs_security *security); /**< wipes all keys */

/** From now on the host accepts sessions. */
void enetjs_security_serve(struct enetjs_security *security, const struct enetjs_security_server *server);
/** Whether plain datagrams never become connections. */
bool enetjs_security_required(const struct enetjs_security *security);

/**
 * Begins a session. Its HELLO leaves with the next enetjs_security_tick.
 * @param session is set to the endpoint that stands for it
 * @returns 0 or an error code
 */
int enetjs_security_connect(struct enetjs_security *security, const struct enetjs_endpoint *to,
                            const struct enetjs_security_attempt *attempt, struct enetjs_endpoint *session);

#define ENETJS_SECURITY_PLAIN (-1)

/**
 * Takes a datagram that has come.
 * @param from becomes the endpoint of its session
 * @param out receives what ENet is to be shown
 * @returns its length; 0 when there is nothing for ENet; ENETJS_SECURITY_PLAIN when the datagram is not of
 * the protocol
 */
int enetjs_security_arrive(struct enetjs_security *security, struct enetjs_endpoint *from,
                           const uint8_t *datagram, size_t length, ENetBuffer *out);

/** Room for what ENet sends, sealed. */
typedef uint8_t enetjs_sealed_room[ENET_PROTOCOL_MAXIMUM_MTU + ENETJS_SEAL_OVERHEAD];

/**
 * Seals a datagram for a session.
 * @param to is the endpoint of a session, and becomes its real one
 * @returns the length; 0 when nothing is to be sent now
 */
size_t enetjs_security_leave(struct enetjs_security *security, struct enetjs_endpoint *to,
                             const ENetBuffer *buffers, size_t count, enetjs_sealed_room out);

/** What is due: HELLOs are sent, sessions end. Outside of ENet's receive loop, in a section of the batch. */
void enetjs_security_tick(struct enetjs_security *security);
/** @returns milliseconds until something is due, or −1 */
int enetjs_security_wait(const struct enetjs_security *security);

/**
 * A connection of a session has ended, or did not begin: the session ends soon, unless ENet still has a peer
 * of it; at once, when there was no REPLY.
 */
void enetjs_security_peer_gone(struct enetjs_security *security, const struct enetjs_endpoint *session);

/**
 * Takes ENet's CONNECT of a session, and copies of it. A session has one connection: its handshake was
 * charged once, and its token is used once.
 * @returns false when the session has had another CONNECT, is this host's own attempt, or is gone
 */
bool enetjs_security_takes_connect(struct enetjs_security *security, const struct enetjs_endpoint *session,
                                   uint32_t connect_id);

/** The real endpoint of a session; any other endpoint is real already. */
struct enetjs_endpoint enetjs_security_real(const struct enetjs_security *security,
                                            const struct enetjs_endpoint *endpoint);

/** How many sessions there are now. */
void enetjs_security_gauges(const struct enetjs_security *security, uint64_t *open, uint64_t *half_open);

/** What the program may know of a session. */
struct enetjs_security_facts {
  bool open, aes;            /**< aes: its datagrams are under AES-256-GCM */
  unsigned status;           /**< ENETJS_TOKEN_…, of a REPLY */
  const uint8_t *client_key; /**< of a server's session, or NULL */
  const uint8_t *token;      /**< of a server's session, or NULL */
  size_t token_bytes;
};

/** @returns false when there is no such session */
bool enetjs_security_facts(const struct enetjs_security *security, const struct enetjs_endpoint *session,
                           struct enetjs_security_facts *facts);

/** What has become of a session. */
enum enetjs_security_report {
  ENETJS_SESSION_HAS_OPENED = 1,
  ENETJS_SESSION_WAS_REJECTED,
  ENETJS_SESSION_HAS_MOVED
};

/**
 * Takes a report: a session of a client has opened or was rejected, or one of a server has moved.
 * @returns what, or 0 when there is none
 */
unsigned enetjs_security_take_report(struct enetjs_security *security, struct enetjs_endpoint *session);

#endif
