/**
 * @file security_state.h
 * @brief The inside of the security stage, for security.c, server.c and client.c only.
 */
#ifndef ENETJS_SECURITY_STATE_H
#define ENETJS_SECURITY_STATE_H

#include "wire/security/cookie.h"
#include "wire/security/resumption.h"
#include "wire/security/security.h"
#include "wire/security/sessions.h"
#include "wire/security/tokens.h"

enum enetjs_security_type {
  ENETJS_TYPE_HELLO = 0x0F,
  ENETJS_TYPE_RETRY = 0x1F,
  ENETJS_TYPE_REPLY = 0x2F,
  ENETJS_TYPE_DATA = 0x3F,
  ENETJS_TYPE_CONTROL = 0x4F
};

#define ENETJS_SECURITY_VERSION 1
#define ENETJS_PROLOGUE "enetjs security 1" /**< followed by the first bytes of the HELLO */
#define ENETJS_PROLOGUE_BYTES (sizeof(ENETJS_PROLOGUE) - 1 + 8)

/** Offsets in HELLO, RETRY and REPLY. */
#define ENETJS_AT_VERSION 1
#define ENETJS_AT_PATTERN 2
#define ENETJS_AT_INDEX 4
#define ENETJS_AT_COOKIE 8
#define ENETJS_AT_NOISE 24      /**< of a HELLO */
#define ENETJS_AT_REPLY_NOISE 8 /**< of a REPLY */
#define ENETJS_RETRY_BYTES 24
#define ENETJS_HELLO_TOKEN \
  3 /**< in the payload of a HELLO, behind the length of the token and what is offered */
#define ENETJS_OFFERS_AES 1
#define ENETJS_REPLY_PAYLOAD 24 /**< server index, status, cipher, two zero bytes, cookie */
#define ENETJS_REPLY_COOKIE 8   /**< in it */

#define ENETJS_NETWORK_SHARES 4096 /**< a power of two */

struct enetjs_security {
  struct enetjs_security_parts parts;
  struct enetjs_sessions sessions;
  bool serves;
  struct enetjs_security_server server;
  struct enetjs_cookies cookies, resumption_cookies;
  struct enetjs_resumptions resumptions; /**< of this host as a client */
  struct enetjs_tokens tokens;
  uint64_t budget_us; /**< when the budget of handshakes was last looked at, */
  double budget;      /**< and what was left of it */
  uint64_t share_us;  /**< when the second began in which handshakes are counted for networks */
  uint16_t shares[ENETJS_NETWORK_SHARES]; /**< networks are spread over these by a random seed */
  uint64_t looked_us;                    /**< when it was last looked which sessions ENet's peers have */
  unsigned hellos;                       /**< sessions in ENETJS_SESSION_HELLO */
  unsigned reports;                      /**< sessions with a report */
  uint8_t plain[ENET_PROTOCOL_MAXIMUM_MTU];
};

static inline void enetjs_security_count(struct enetjs_security *security, size_t statistic) {
  security->parts.counters[statistic]++;
}

static inline void enetjs_security_send(struct enetjs_security *security, const struct enetjs_endpoint *to,
                                        const uint8_t *bytes, size_t length) {
  security->parts.send(security->parts.owner, to, bytes, length);
}

static inline void enetjs_security_put_report(struct enetjs_security *security,
                                              struct enetjs_session *session,
                                              enum enetjs_security_report report) {
  security->reports += session->report == 0;
  session->report = (uint8_t)report;
}

/** The prologue of a handshake with this HELLO. */
void enetjs_security_prologue(const uint8_t *hello, uint8_t prologue[ENETJS_PROLOGUE_BYTES]);

/* ---- security.c ------------------------------------------------------------------------------ */
/** Makes room for a session, if there is none: the oldest one leaves that no ENet peer has. */
void enetjs_security_make_room(struct enetjs_security *security, uint64_t now_us);

/* ---- server.c -------------------------------------------------------------------------------- */
void enetjs_security_take_hello(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *hello, size_t length, uint64_t now_us);
/**
 * Something authentic has come to a half-open session. @returns false when it is not to be opened, and is
 * gone
 */
bool enetjs_security_confirm(struct enetjs_security *security, struct enetjs_session *session);
void enetjs_security_drop_half_open(struct enetjs_security *security, uint64_t now_us);

/* ---- client.c -------------------------------------------------------------------------------- */
void enetjs_security_take_retry(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *retry, size_t length, uint64_t now_us);
void enetjs_security_take_reply(struct enetjs_security *security, const struct enetjs_endpoint *from,
                                const uint8_t *reply, size_t length, uint64_t now_us);
void enetjs_security_send_hellos(struct enetjs_security *security, uint64_t now_us);
uint64_t enetjs_security_next_hello(
    const struct enetjs_security *security); /**< when the next one is due, µs */

#endif
