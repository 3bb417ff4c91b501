/**
 * @file conditions.h
 * @brief A simulated network between a host and its socket: delay, jitter, loss, a rate with a queue, and so
 * on.
 *
 * What is sent and what is received each pass a link, which decides about every datagram when it enters: it
 * is lost, or held until it is due, and perhaps changed or doubled. The fates follow from a seed and from the
 * order of the datagrams on the link. Only the queue of a rate and a blackout also depend on time, and time
 * is a parameter.
 *
 * Called with the lock of the host that the conditions belong to.
 */
#ifndef ENETJS_CONDITIONS_H
#define ENETJS_CONDITIONS_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enetjs.h"
#include "wire/endpoint.h"

struct enetjs_conditions;

enum enetjs_direction { ENETJS_SENT, ENETJS_RECEIVED, ENETJS_DIRECTIONS };

/** A datagram that has passed. */
struct enetjs_passed {
  struct enetjs_endpoint address; /**< its destination, or its source */
  size_t length;
  uint8_t *bytes;
};

/** @returns NULL when there is no memory */
struct enetjs_conditions *enetjs_conditions_create(void);
void enetjs_conditions_destroy(struct enetjs_conditions *conditions);

/** Whether links are what enetjs_host_set_conditions takes. */
bool enetjs_conditions_valid(const double *links, size_t count);

/**
 * Replaces all links, and starts the random numbers and the counters anew. What is held stays until it is
 * due, and what enters afterwards does not overtake it.
 * @param links ENETJS_LINK_COUNT doubles each, which are valid
 * @returns false when there is no memory; then nothing has changed
 */
bool enetjs_conditions_replace(struct enetjs_conditions *conditions, const double *links, size_t count,
                               uint32_t seed);

/** From now on there are no links: what is held is due, in its order, and what enters passes at once. */
void enetjs_conditions_end(struct enetjs_conditions *conditions);

/** Whether they have ended and nothing is held. */
bool enetjs_conditions_over(const struct enetjs_conditions *conditions);

/** Until then every datagram that enters is lost. */
void enetjs_conditions_blackout(struct enetjs_conditions *conditions, uint64_t until_us);

/** A datagram enters. Its bytes are copied. */
void enetjs_conditions_enter(struct enetjs_conditions *conditions, enum enetjs_direction direction,
                             const struct enetjs_endpoint *address, const ENetBuffer *buffers, size_t count,
                             uint64_t now_us);

/** @returns the next datagram that is due, which stays valid until enetjs_conditions_release; or NULL */
const struct enetjs_passed *enetjs_conditions_due(const struct enetjs_conditions *conditions,
                                                  enum enetjs_direction direction, uint64_t now_us);
/** Frees the datagram that is due. */
void enetjs_conditions_release(struct enetjs_conditions *conditions, enum enetjs_direction direction);

/** @returns milliseconds until a datagram is due, rounded up, or -1 */
int enetjs_conditions_wait(const struct enetjs_conditions *conditions, uint64_t now_us);

/** @param out ENETJS_FATE_COUNT numbers for each direction */
void enetjs_conditions_stats(const struct enetjs_conditions *conditions, double *out);

#endif
