/**
 * @file sessions.h
 * @brief The table of sessions, and what a session is.
 *
 * A session has a number that looks like an IPv4 address, from 248.0.0.0 on: ENet, the guard and the peer ids
 * know it by that address and the port that it began with. Datagrams name a session by an index, which is
 * random but for the lowest bits. Sessions do not move in memory. Call with the host's lock held.
 */
#ifndef ENETJS_SESSIONS_H
#define ENETJS_SESSIONS_H

#include "enetjs_layout.h"
#include "wire/addresses.h"
#include "wire/security/noise.h"
#include "wire/security/seal.h"

#define ENETJS_HALF_OPEN_SESSIONS 1024 /**< at most; then the oldest one leaves */
#define ENETJS_SPARE_SESSIONS 64       /**< beside those: open sessions that are about to end */
#define ENETJS_SESSION_CHAINS 1024     /**< a power of two */
#define ENETJS_HELLO_BYTES 1200        /**< at most */
#define ENETJS_HELLO_LEAST 256
#define ENETJS_REPLY_BYTES 80
#define ENETJS_HELD_DATAGRAM 256 /**< ENet's CONNECT while the handshake goes on */

enum enetjs_session_state {
  ENETJS_SESSION_HELLO,     /**< of a client: there is no REPLY yet */
  ENETJS_SESSION_REJECTED,  /**< of a client: the server does not accept its token */
  ENETJS_SESSION_HALF_OPEN, /**< of a server: nothing authentic has come yet */
  ENETJS_SESSION_OPEN
};

/** What only a client's session has until it is open. */
struct enetjs_hello {
  struct enetjs_noise noise;
  uint8_t server_key[ENETJS_KEY_BYTES];
  uint8_t bytes[ENETJS_HELLO_BYTES];
  size_t length;
  bool offers_aes;
  uint64_t due_us; /**< when it is sent again */
  unsigned sent, at_once;
  size_t held; /**< bytes of ENet's datagram below, 0: none */
  uint8_t held_bytes[ENETJS_HELD_DATAGRAM];
};

struct enetjs_session {
  uint32_t local;  /**< the index that the other side puts into its datagrams */
  uint32_t number; /**< ENet's address for it, in host byte order */
  uint16_t port;   /**< ENet's port for it */
  uint8_t state;
  bool server;
  uint8_t report; /**< enetjs_security_report: what the host was not told; 0: nothing */
  bool peered;    /**< an ENet peer has or had it */
  bool aes;       /**< its datagrams are under AES-256-GCM */
  uint8_t status; /**< of a client: what the REPLY says, ENETJS_TOKEN_… */
  struct enetjs_endpoint real;
  struct enetjs_sealing sealing;
  struct enetjs_opening opening;
  uint64_t began_us, alone_us; /**< since when no ENet peer has it */
  struct enetjs_hello *hello;  /**< or NULL */
  /* Of a server */
  uint8_t ephemeral[ENETJS_KEY_BYTES], reply[ENETJS_REPLY_BYTES], client_key[ENETJS_KEY_BYTES];
  bool has_client_key, has_connect; /**< ENet's CONNECT has come, */
  uint32_t connect_id;              /**< with this id */
  uint8_t *token; /**< or NULL */
  size_t token_bytes;
  struct enetjs_endpoint candidate;
  uint32_t challenge;
  bool has_candidate;     /**< which has been challenged, */
  uint64_t challenged_us; /**< then; 0: nobody has been */
  struct enetjs_session *chain, *older, *newer;
};

struct enetjs_sessions {
  uint32_t room, count, half_open, latest;
  uint64_t seed;
  struct enetjs_session **places; /**< NULL: free */
  uint16_t *rounds;
  struct enetjs_session *oldest, *newest; /**< of the half-open ones */
  struct enetjs_session *chains[ENETJS_SESSION_CHAINS];
};

/** @returns false when there is no memory */
bool enetjs_sessions_create(struct enetjs_sessions *table, size_t peers);
void enetjs_sessions_destroy(struct enetjs_sessions *table);

/**
 * @returns a session with an index and a number, all else zero; or NULL when there is neither room nor memory
 */
struct enetjs_session *enetjs_sessions_add(struct enetjs_sessions *table, const struct enetjs_endpoint *real);
/** Wipes a session and frees it. */
void enetjs_sessions_remove(struct enetjs_sessions *table, struct enetjs_session *session);

/** The session is half-open, and found by its client's ephemeral key. Makes room in the queue of these. */
void enetjs_sessions_set_half_open(struct enetjs_sessions *table, struct enetjs_session *session);
void enetjs_sessions_set_open(struct enetjs_sessions *table, struct enetjs_session *session);

struct enetjs_session *enetjs_sessions_by_index(const struct enetjs_sessions *table, uint32_t index);
struct enetjs_session *enetjs_sessions_by_number(const struct enetjs_sessions *table, uint32_t number);
/** A server's session of a HELLO. A copy of it from another address has a session of its own. */
struct enetjs_session *enetjs_sessions_by_hello(const struct enetjs_sessions *table, const uint8_t *ephemeral,
                                                const struct enetjs_endpoint *from);

/**
 * The keys of a session, after its handshake. @param remote is the index of the other side
 */
void enetjs_session_begin_keys(struct enetjs_session *session, const uint8_t sealing[ENETJS_KEY_BYTES],
                               const uint8_t opening[ENETJS_KEY_BYTES], uint32_t remote, uint64_t now_us);

/** A client's session needs no HELLO any more. */
void enetjs_session_end_hello(struct enetjs_session *session);

#endif
